import { afterEach, beforeAll, expect } from 'vitest';
import { openLinuxMountSystem } from '../../src/system/linux-mount.js';
import { type Inside, useNamespace } from './namespace-process.js';
import { readTree, type Tree } from './tree.js';

interface ShowOptions {
  /** The first layer is over an empty one, because one EROFS file alone is mounted without overlayfs. */
  readonly merged?: boolean;
  /** EROFS files are mounted by loop devices, which the test of the kernel's log does not watch. */
  readonly loop?: boolean;
}

/** Mounts EROFS files and stacks of layers in one process with a mount namespace of its own. */
export interface ErofsMounts {
  /** Runs `use` with the path of a mount. @param layers EROFS files, and directories in overlay form, nearest first */
  at<T>(layers: readonly string[], use: (path: string) => T | Promise<T>, options?: ShowOptions): Promise<T>;
  /** The tree that a mount shows. */
  show(layers: readonly string[], options?: ShowOptions): Promise<Tree>;
}

/** What the kernel logs of a mount that succeeds. */
const MOUNTED = /mounted with root inode/;
/** The device of EROFS files that are mounted without loop devices. */
const NO_DEVICE = 'erofs';

/** For the tests of a file. A test fails when the kernel logs a message about EROFS, except for mounts by loop devices. */
export function useErofsMounts(): ErofsMounts {
  const namespace = useNamespace('root');
  const log = openLinuxMountSystem().followLog();
  const complaints: string[] = [];
  let place: string;
  beforeAll(() => {
    place = namespace.directory();
  });
  afterEach(() => {
    expect(complaints.splice(0)).toEqual([]);
  });
  const complaintsOf = (devices: readonly string[]) =>
    (log?.read() ?? []).filter((line) => {
      const device = /^erofs \(device ([^)]+)\)/.exec(line)?.[1];
      return device !== undefined && devices.includes(device) && !MOUNTED.test(line);
    });

  const at: ErofsMounts['at'] = async (layers, use, { merged = layers.length > 1, loop = false } = {}) => {
    const given = { place, layers, merged, loop };
    // Other processes may have had the same loop device before, and have it again afterwards.
    complaintsOf([]);
    const { pid, devices, path } = await namespace.inside.run(mountLayers, given);
    try {
      return await use(`/proc/${pid}/root${path}`);
    } finally {
      if (!loop) complaints.push(...complaintsOf([NO_DEVICE, ...devices]));
      await namespace.inside.run(unmountLayers, given);
    }
  };
  return { at, show: (layers, options) => at(layers, (path) => readTree(path), options) };
}

type Given = {
  readonly place: string;
  readonly layers: readonly string[];
  readonly merged: boolean;
  readonly loop: boolean;
};

async function mountLayers({ fs, path, load }: Inside, given: Given) {
  const { openLinuxMountSystem } =
    await load<typeof import('../../src/system/linux-mount.js')>('system/linux-mount.js');
  const { MS } = await load<typeof import('../../src/system/mount-system.js')>('system/mount-system.js');
  const system = openLinuxMountSystem();
  const devices: string[] = [];
  const { place, layers, merged, loop } = given;
  const at = (name: string) => {
    const directory = path.join(place, name);
    fs.mkdirSync(directory, { recursive: true });
    return directory;
  };
  const mount = (source: string, target: string, type: string, data = '') =>
    system.mount({ source, target, type, flags: MS.RDONLY, data });
  const mountByLoopDevice = (file: string, target: string) => {
    const device = system.openLoopDevice(file);
    try {
      mount(device.path, target, 'erofs');
      devices.push(path.basename(device.path));
    } finally {
      system.close(device.descriptor);
    }
  };
  const mountFile = (file: string, target: string) => {
    if (loop) return mountByLoopDevice(file, target);
    try {
      mount(file, target, 'erofs');
    } catch (error) {
      // The file is on a tmpfs.
      if ((error as { errno?: string }).errno !== 'ENOTBLK') throw error;
      mountByLoopDevice(file, target);
    }
  };
  const lowers = layers.map((layer, index) => {
    if (fs.statSync(layer).isDirectory()) return layer;
    const target = at(`layer-${index}`);
    mountFile(layer, target);
    return target;
  });
  const shown = { pid: process.pid, devices };
  if (!merged) return { ...shown, path: lowers[0]! };
  const target = at('merged');
  // overlayfs needs two layers.
  mount('overlay', target, 'overlay', `lowerdir=${[...lowers, at('empty')].join(':')}`);
  return { ...shown, path: target };
}

async function unmountLayers({ fs, path, load }: Inside, { place, layers, merged }: Given) {
  const { openLinuxMountSystem } =
    await load<typeof import('../../src/system/linux-mount.js')>('system/linux-mount.js');
  const system = openLinuxMountSystem();
  const unmount = (name: string) => system.unmount(path.join(place, name), { lazy: false });
  if (merged) await unmount('merged');
  for (const [index, layer] of layers.entries())
    if (!fs.statSync(layer).isDirectory()) await unmount(`layer-${index}`);
}
