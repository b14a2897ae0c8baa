import { checkOptions, type OptionNames } from '../../../base/check-arguments.js';
import { OverlayerError } from '../../../base/errors.js';
import type { Reference } from '../../reference.js';
import type { ImageTarget } from '../../target/image-target.js';
import { findRegistry, OPEN_REGISTRY_OPTIONS, type OpenRegistryOptions } from '../registry-access.js';

/** How a registry is pushed to. `timeoutMs` and `minBytesPerSecond` are for the bytes that it takes, too. */
export type OpenRegistryTargetOptions = Omit<OpenRegistryOptions, 'mirrors' | 'connections'>;

const { mirrors: _, connections: __, ...names } = OPEN_REGISTRY_OPTIONS;
export const OPEN_REGISTRY_TARGET_OPTIONS = names satisfies OptionNames<OpenRegistryTargetOptions>;

/**
 * Opens a repository of a registry to push to (OCI distribution spec). The first request is sent when the target is first
 * used. Proxies, certificates and credentials are those of `openRegistry`; tokens are asked for with the scope
 * `repository:NAME:pull,push`. A mirror is pushed to only if its `hosts.toml` lists the capability `push`: the first server
 * with it gets the image.
 *
 * Blobs of a known digest are sent in one request, others in chunks of 8 MiB. A broken upload continues where the registry
 * stopped, if it tells where; otherwise it begins again. A failure or an abort cancels the upload at the registry. The
 * server of an upload URL (`Location`) or of a redirect gets no credentials of the registry.
 *
 * Its methods fail with these codes, besides those of `ImageTarget`:
 *   - `Unauthenticated`: the registry requires credentials, or refuses those that it got
 *   - `PermissionDenied`, `NotFound`
 *   - `Unavailable`: no usable response after all retries
 *   - `ResourceExhausted`: a manifest is larger than 4 MiB, or a body larger than the registry accepts
 *   - `InvalidArgument`: the manifest to name is not that of the reference's digest
 *
 * @param reference short, canonical (`registry.example/app:1`) or parsed. Its tag is the image's name
 * @throws OverlayerError as `openRegistry`; `FailedPrecondition`: the `hosts.toml` allows no server to be pushed to
 *
 * @example
 * await using target = await openRegistryTarget('registry.example/app:1');
 */
export async function openRegistryTarget(
  reference: string | Reference,
  options: OpenRegistryTargetOptions = {},
): Promise<ImageTarget> {
  checkOptions('openRegistryTarget', options, OPEN_REGISTRY_TARGET_OPTIONS);
  // Loaded when used: other work need not wait for the HTTP client.
  const loading = import('./registry-target.js');
  const access = await findRegistry(reference, options);
  const { RegistryTarget } = await loading;
  const host = access.hosts.find(({ canPush }) => canPush);
  if (host !== undefined) return new RegistryTarget(host, access);
  throw new OverlayerError(
    'FailedPrecondition',
    `No server is configured to push ${access.reference.name} to`,
    {
      hint: 'its hosts.toml gives no server the capability to push',
    },
  );
}
