import { checkOptions } from '../../base/check-arguments.js';
import type { Reference } from '../reference.js';
import type { ImageSource } from '../source/image-source.js';
import { findRegistry, OPEN_REGISTRY_OPTIONS, type OpenRegistryOptions } from './registry-access.js';

/**
 * Opens an image of a registry (OCI distribution spec). The first request is sent when the source is first used. Proxies
 * are those of the environment (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in lower or upper case). Trusted
 * certificates are Node's own list, `NODE_EXTRA_CA_CERTS`, and the system's store, or `SSL_CERT_FILE` and `SSL_CERT_DIR` in
 * its place.
 *
 * Its methods fail with these codes, besides those of `ImageSource`:
 *   - `Unauthenticated`: the registry requires credentials, or refuses those that it got
 *   - `PermissionDenied`, `NotFound`
 *   - `Unavailable`: no usable response after all retries
 *   - `DataLoss`: a manifest has a wrong digest; a blob is larger than its descriptor says
 *   - `ResourceExhausted`: a manifest is larger than 4 MiB
 *   - `FailedPrecondition`: the `hosts.toml` allows no server
 *
 * @param reference short, canonical (`debian:12`) or parsed
 * @throws OverlayerError `InvalidArgument`; `NotFound`, `PermissionDenied`: a `hosts.toml`, or what it names, can't be read
 *
 * @example
 * await using source = await openRegistry('debian:12');
 * const [image] = await source.images();
 */
export async function openRegistry(
  reference: string | Reference,
  options: OpenRegistryOptions = {},
): Promise<ImageSource> {
  checkOptions('openRegistry', options, OPEN_REGISTRY_OPTIONS);
  // Loaded when used: other work need not wait for the HTTP client.
  const loading = import('./registry-source.js');
  const access = await findRegistry(reference, options);
  const { RegistrySource } = await loading;
  return new RegistrySource({ ...access, hosts: access.hosts.filter(({ canPull }) => canPull) });
}
