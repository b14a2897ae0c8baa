import { displayPath } from '../../../index.js';
import type { MountFlags } from '../../flags/image-flags.js';
import type { StoreFlags } from '../../flags/store-flags.js';
import { platformOf } from '../../options.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

export async function mount(name: string, target: string, flags: MountFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const image = await store.images.get(name);
    const writable = flags.rw === true;
    await image.mount(target, { writable, platform: platformOf(flags) });
    const text = `Mounted ${displayPath(image.name)} on ${displayPath(target)}\n`;
    printResult(flags, { image: image.name, target, writable }, text);
  });
}

export async function unmount(target: string, flags: StoreFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    await store.unmount(target);
    printResult(flags, { target }, `Unmounted ${displayPath(target)}\n`);
  });
}
