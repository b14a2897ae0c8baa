import { join } from 'node:path';
import { displayPath, type Mount, mountAll, unmountAll, withoutTemplates } from '../../../index.js';
import { reportFailure } from '../../failure.js';
import type { StoreFlags } from '../../flags/store-flags.js';
import { printResult } from '../../render/print.js';
import { standardOutput } from '../../standard-streams.js';
import { withExistingSnapshots } from '../../with-root.js';

/**
 * Prints the commands that mount a snapshot, as ctr does. Layers that are EROFS files are mounted first, on directories
 * beside the target.
 */
export async function mounts(target: string, key: string, flags: StoreFlags): Promise<number> {
  return await withExistingSnapshots(flags, async (snapshots) => {
    // mount(8) takes no files as devices, which merged layers are.
    const found = await snapshots.mounts(key, { merged: flags.json === true });
    const placeOf = (index: number) => `${target}.layers/${index}`;
    const { parts, mounts: last } = withoutTemplates(found, placeOf);
    const commands = [
      ...parts.map((mount, index) => mountCommand(mount, placeOf(index), ['--mkdir'])),
      ...last.map((mount) => mountCommand(mount, join(target, mount.target ?? ''))),
    ];
    printResult(flags, found, commands.join(''));
  });
}

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
    standardOutput.write(`Unmounted ${displayPath(target)}\n`);
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
