import { OverlayerError } from '../base/errors.js';
import { encodePath } from '../base/path-bytes.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, isErrno, O } from '../system/system.js';
import { attachFileSystem, type Parameter } from './file-system-mount.js';
import { withMappedLayers } from './idmapped.js';
import type { MountAttempt } from './mount-attempt.js';
import { mountFlags, splitOption } from './mount-options.js';
import { escapeLayer, splitLayers, unescapeLayer } from './overlay-layers.js';
import { mountWithShortNames } from './short-names.js';

/** The kernel's OVL_MAX_STACK. */
const MAX_LAYERS = 500;
/** fsconfig(2) takes values of up to 255 bytes. */
const MAX_VALUE_BYTES = 255;

export async function mountOverlay(attempt: MountAttempt): Promise<void> {
  const { system, options } = attempt;
  const parameters = options.data.map(splitOption);
  const lowers = parameters.filter(([key]) => key === 'lowerdir').flatMap(([, value]) => splitLayers(value));
  if (lowers.length > MAX_LAYERS)
    throw new OverlayerError('InvalidArgument', `Cannot mount ${lowers.length} layers`, {
      hint: `overlayfs takes ${MAX_LAYERS} at most`,
    });
  const rest = parameters.filter(([key]) => key !== 'lowerdir');
  const mount = takesLayersOneByOne(system) ? mountOneByOne : mountInOneString;
  if (options.idMap === undefined) return await mount(attempt, lowers, rest);
  await withMappedLayers(system, lowers, options.idMap, (mapped) => mount(attempt, mapped, rest));
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

async function mountOneByOne(
  attempt: MountAttempt,
  lowers: readonly string[],
  rest: readonly Parameter[],
): Promise<void> {
  const { system } = attempt;
  const opened: number[] = [];
  /** Replaces a path that is too long by a path of a descriptor. */
  const short = (path: string, value: string): string => {
    if (encodePath(value).length <= MAX_VALUE_BYTES) return value;
    const descriptor = system.openAt(AT_FDCWD, path, O.PATH, 0);
    opened.push(descriptor);
    return `/proc/self/fd/${descriptor}`;
  };
  try {
    attachFileSystem(attempt, [
      ...lowers.map((path): Parameter => ['lowerdir+', short(path, path)]),
      ...rest.map(([key, value]): Parameter => {
        const isPath = value !== undefined && (key === 'upperdir' || key === 'workdir');
        return [key, isPath ? short(unescapeLayer(value), value) : value];
      }),
    ]);
  } finally {
    for (const descriptor of opened) system.close(descriptor);
  }
}

async function mountInOneString(
  { system, mount, options, target }: MountAttempt,
  lowers: readonly string[],
  rest: readonly Parameter[],
): Promise<void> {
  const call = (layers: readonly string[]) => ({
    source: mount.source,
    target: target.path,
    type: mount.type,
    flags: mountFlags(options),
    data: [`lowerdir=${layers.join(':')}`, ...rest.map((parameter) => parameter.join('='))].join(','),
  });
  try {
    system.mount(call(lowers.map(escapeLayer)));
  } catch (error) {
    if (!isErrno(error, 'E2BIG')) throw error;
    await mountWithShortNames(lowers, call);
  }
}
