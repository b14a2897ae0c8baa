import { displayPath, parsePlatform } from '../../../index.js';
import type { RootFlags } from '../../flags/root-flags.js';
import { printResult } from '../../render/print-result.js';
import { withExistingStore } from '../with-store.js';

export interface MountFlags extends RootFlags {
  readonly rw?: true;
  readonly platform?: string;
}

export async function mount(name: string, target: string, flags: MountFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
    const image = await store.images.get(name);
    await image.mount(target, { writable: flags.rw === true, platform });
    const text = `Mounted ${displayPath(image.name)} on ${displayPath(target)}\n`;
    printResult(flags, { image: image.name, target, writable: flags.rw === true }, text);
  });
}

export async function unmount(target: string, flags: RootFlags): Promise<number> {
  return await withExistingStore(flags, async (store) => {
    await store.unmount(target);
    printResult(flags, { target }, `Unmounted ${displayPath(target)}\n`);
  });
}
