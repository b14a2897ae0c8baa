import { checkArgument, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { ImageConfig } from '../../oci/image-config.js';
import type { CreatedRuntimeSpec, CreateRuntimeSpecOptions } from './runtime-spec.js';

const CREATE_RUNTIME_SPEC_OPTIONS = {
  rootfs: 'path',
  os: 'string',
  rootless: true,
} satisfies OptionNames<CreateRuntimeSpecOptions>;

/**
 * Converts an image's configuration to a runtime configuration (OCI image spec, conversion.md), with containerd's
 * defaults (pkg/oci). For another command, user or environment, change the image's configuration first.
 *
 * Each volume becomes an empty tmpfs, as in umoci. A container on FreeBSD is a jail, as in runj (runtime spec 1.3).
 *
 * @throws OverlayerError
 *   - `NotFound`: the user or group is not in the image; the root filesystem does not exist
 *   - `InvalidArgument`: an invalid field of the config; `/etc/passwd` or `/etc/group` is not a file
 *   - `FailedPrecondition`: the image names no command; its user is not mapped; an image for FreeBSD on Linux
 *   - `ResourceExhausted`: `/etc/passwd` or `/etc/group` has more than 4 MiB
 *   - `Unimplemented`: an image for another system than Linux and FreeBSD
 *
 * @example
 * const { spec } = await createRuntimeSpec(config, { rootfs: '/bundle/rootfs' });
 * await writeFile('/bundle/config.json', JSON.stringify(spec));
 */
export async function createRuntimeSpec(
  config: ImageConfig,
  options: CreateRuntimeSpecOptions,
): Promise<CreatedRuntimeSpec> {
  checkOptions('createRuntimeSpec', options, CREATE_RUNTIME_SPEC_OPTIONS);
  checkArgument('config', config, 'object');
  // Loaded when used, to keep the public entry small.
  const { buildRuntimeSpec } = await import('./build-runtime-spec.js');
  return await buildRuntimeSpec(config, options);
}
