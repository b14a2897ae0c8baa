import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { displayPath, type Mount, mountAll, unmountAll, withoutTemplates } from '../../../index.js';
import { reportFailure } from '../../failure.js';
import type { StoreFlags } from '../../flags/store-flags.js';
import { printResult } from '../../render/print.js';
import { withExistingSnapshots } from '../../with-root.js';

/**
 * Prints the commands that mount a snapshot, as ctr does. Layers that are EROFS files are mounted first, on directories
 * beside the target.
 */
export async function mounts(target: string, key: string, flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const found = await snapshots.mounts(key);
    const placeOf = (index: number) => `${target}.layers/${index}`;
    const { parts, mounts: last } = withoutTemplates(withoutDevices(found), placeOf);
    const commands = [
      ...parts.map((mount, index) => mountCommand(mount, placeOf(index), ['--mkdir'])),
      ...last.map((mount) => mountCommand(mount, join(target, mount.target ?? ''))),
    ];
    printResult(flags, found, commands.join(''));
  });
}

/**
 * The overlay of the layers in a merged view: mount(8) takes no plain files as devices. A directory beside the merged file
 * has the attributes of the root.
 */
function withoutDevices(mounts: readonly Mount[]): readonly Mount[] {
  const { source = '', options = [] } = mounts[0] ?? {};
  const devices = options.filter((option) => option.startsWith(DEVICE));
  if (devices.length === 0) return mounts;
  const rest = options.filter((option) => !option.startsWith(DEVICE));
  const files = devices.map((option) => option.slice(DEVICE.length)).reverse();
  const layers = files.map((file): Mount => ({ type: 'erofs', source: file, options: ['ro'] }));
  const root = join(dirname(source), 'fs');
  const parts = existsSync(root)
    ? [{ type: 'bind', source: root, options: ['bind', 'ro'] }, ...layers]
    : layers;
  const lowerdir = `lowerdir={{ overlay 0 ${parts.length - 1} }}`;
  return [...parts, { type: 'format/overlay', source: 'overlay', options: [...rest, lowerdir] }];
}

const DEVICE = 'device=';

export async function mount(target: string, key: string, flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    const found = await snapshots.mounts(key);
    await mountAll(found, target);
    printResult(flags, found, `Mounted ${displayPath(key)} on ${displayPath(target)}\n`);
  });
}

export async function unmount(target: string): Promise<number> {
  try {
    await unmountAll(target);
    process.stdout.write(`Unmounted ${displayPath(target)}\n`);
    return 0;
  } catch (error) {
    return reportFailure(error, {});
  }
}

function mountCommand(
  { type, source, options }: Mount,
  directory: string,
  flags: readonly string[] = [],
): string {
  const words = ['mount', ...flags, '-t', type, source, directory, '-o', options.join(',')];
  return `${words.map(shellWord).join(' ')}\n`;
}

function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
