import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import type { ImageConfig } from '../../oci/image-config.js';
import type { CreatedRuntimeSpec, CreateRuntimeSpecOptions } from './runtime-spec.js';

const CREATE_RUNTIME_SPEC_OPTIONS = {
  rootfs: true,
  os: true,
  rootless: true,
} satisfies OptionNames<CreateRuntimeSpecOptions>;

/**
 * Makes a runtime configuration of an image's (OCI image spec, conversion.md), with containerd's defaults (pkg/oci) for
 * what an image doesn't say. Whoever wants another command, user or environment gives a config that says so.
 *
 * For each volume there is an empty tmpfs, as umoci has it. On FreeBSD it is a jail, as runj takes it (runtime spec
 * 1.3).
 *
 * @throws OverlayerError
 *   - `NotFound`: the user or group is not in the image; there is no root filesystem
 *   - `InvalidArgument`: a field of the config that can't be; `/etc/passwd` or `/etc/group` that is no file
 *   - `FailedPrecondition`: the image names no command; its user is not mapped; Linux can't run what it is for
 *   - `ResourceExhausted`: `/etc/passwd` or `/etc/group` has more than 4 MiB
 *   - `Unimplemented`: an image for something else than Linux or FreeBSD
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
  // Loaded when used: the public entry stays small.
  const { buildRuntimeSpec } = await import('./build-runtime-spec.js');
  return await buildRuntimeSpec(config, options);
}
