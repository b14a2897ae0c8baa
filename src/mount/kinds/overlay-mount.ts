import { OverlayerError } from '../../base/errors.js';
import type { MountSystem } from '../../system/mount-system.js';
import { isErrno, SystemError } from '../../system/system.js';
import { mountFlags, splitOption } from '../mount-options.js';
import { escapeLayer, splitLayers, unescapeLayer } from '../overlay-layers.js';
import { makeFileSystem, type Parameter } from './file-system-mount.js';
import { withMappedLayers } from './idmapped.js';
import type { MountAttempt, MountKind } from './mount-attempt.js';
import { mountWithShortNames } from './short-names.js';
import { ShortPaths } from './short-paths.js';

/** The kernel's OVL_MAX_STACK. */
const MAX_LAYERS = 500;

export const OVERLAY: MountKind = {
  async makeTree(attempt) {
    if (!takesLayersOneByOne(attempt.system)) throw new SystemError('ENOSYS', 'fsconfig', 'lowerdir+');
    return await withLowers(attempt, (lowers, rest) => makeOneByOne(attempt, lowers, rest));
  },
  async mountOld(attempt, target) {
    await withLowers(attempt, (lowers, rest) => mountInOneString(attempt, target, lowers, rest));
  },
};

/** @param use gets the lower layers, with mapped owners if the options map them, and the other parameters */
async function withLowers<T>(
  { system, options, place }: MountAttempt,
  use: (lowers: readonly string[], rest: readonly Parameter[]) => T | Promise<T>,
): Promise<T> {
  const parameters = options.data.map(splitOption);
  const lowers = parameters.filter(([key]) => key === 'lowerdir').flatMap(([, value]) => splitLayers(value));
  if (lowers.length > MAX_LAYERS)
    throw new OverlayerError('InvalidArgument', `Cannot mount ${lowers.length} layers`, {
      hint: `overlayfs takes ${MAX_LAYERS} at most`,
    });
  const rest = parameters.filter(([key]) => key !== 'lowerdir');
  if (options.idMap === undefined) return await use(lowers, rest);
  return await withMappedLayers(
    system,
    lowers,
    options.idMap,
    place,
    async (mapped) => await use(mapped, rest),
  );
}

/** Whether overlayfs knows the parameter `lowerdir+` (Linux 6.7). Mounts nothing. */
export function takesLayersOneByOne(system: MountSystem): boolean {
  const takes = (key: string): boolean => {
    const fileSystem = system.openFileSystem('overlay');
    try {
      system.setParameter(fileSystem, key, '/');
      return true;
    } catch (error) {
      if (isErrno(error, 'EINVAL')) return false;
      throw error;
    } finally {
      system.close(fileSystem);
    }
  };
  try {
    // Older kernels accept every parameter, and check it later.
    return !takes('no such parameter') && takes('lowerdir+');
  } catch (error) {
    if (isErrno(error, 'ENOSYS')) return false;
    throw error;
  }
}

function makeOneByOne(attempt: MountAttempt, lowers: readonly string[], rest: readonly Parameter[]): number {
  using paths = new ShortPaths(attempt.system);
  return makeFileSystem(attempt, [
    ['source', attempt.mount.source],
    ...lowers.map((path): Parameter => ['lowerdir+', paths.shorten(path)]),
    ...rest.map(([key, value]): Parameter => {
      const isPath = value !== undefined && (key === 'upperdir' || key === 'workdir');
      return [key, isPath ? paths.shorten(unescapeLayer(value), value) : value];
    }),
  ]);
}

async function mountInOneString(
  { system, mount, options }: MountAttempt,
  target: string,
  lowers: readonly string[],
  rest: readonly Parameter[],
): Promise<void> {
  const call = (layers: readonly string[]) => ({
    source: mount.source,
    target,
    type: mount.type,
    flags: mountFlags(options),
    data: [`lowerdir=${layers.join(':')}`, ...rest.map((parameter) => parameter.join('='))].join(','),
  });
  try {
    system.mount(call(lowers.map(escapeLayer)));
  } catch (error) {
    if (!isErrno(error, 'E2BIG')) throw error;
    await mountWithShortNames(system, lowers, call);
  }
}
