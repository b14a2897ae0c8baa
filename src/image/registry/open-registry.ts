import { OverlayerError } from '../../base/errors.js';
import type { ImageSource } from '../image-source.js';
import { parseReference, type Reference } from '../reference.js';
import type { Credentials } from './credentials.js';

export interface OpenRegistryOptions {
  /**
   * For the reference's registry, not for its mirrors.
   * @default those of `docker login` or `podman login`: of the file `REGISTRY_AUTH_FILE`, or of `config.json` in
   *   `DOCKER_CONFIG` or `~/.docker`, and the credential helpers (`docker-credential-*`) that it names
   */
  readonly credentials?: Credentials | undefined;
  /**
   * URLs by registry that are asked before it, in this order: `{ 'docker.io': ['https://mirror.example'] }`. `/v2` is
   * added to a URL that does not have it.
   * @default none
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Do without TLS. A registry on this machine (`localhost`, `127.0.0.1`) is tried without it anyway.
   * @default false
   */
  readonly plainHTTP?: boolean | undefined;
  /**
   * How often in a row a request, or a blob that breaks off, is tried again after a failure that may pass. Between
   * two tries are 0.1 to 5 seconds, or up to 30 where the registry asks for it.
   * @default 5
   */
  readonly retries?: number | undefined;
  /** How long a server may say nothing, in milliseconds. @default 30,000 */
  readonly timeoutMs?: number | undefined;
}

/**
 * Opens an image of a registry (OCI distribution spec). Nothing is asked before its first use. Proxies are those that
 * the environment names (`https_proxy`, `http_proxy`, `no_proxy`).
 *
 * Its methods fail with these codes, besides those of `ImageSource`:
 *   - `Unauthenticated`: the registry wants credentials, or others
 *   - `PermissionDenied`, `NotFound`
 *   - `Unavailable`: no answer, or not one that helps, several times over
 *   - `DataLoss`: a manifest of another digest; while a blob is read: more bytes than its descriptor says
 *   - `ResourceExhausted`: a manifest of more than 4 MiB
 *   - `FailedPrecondition`: a credential helper fails
 *
 * @param reference as people write it (`debian:12`), or parsed
 * @throws OverlayerError `InvalidArgument`
 *
 * @example
 * await using source = await openRegistry('debian:12');
 * const [image] = await source.images();
 */
export async function openRegistry(
  reference: string | Reference,
  options: OpenRegistryOptions = {},
): Promise<ImageSource> {
  const { retries = 5, timeoutMs = 30_000 } = options;
  checkCount('retries', retries, 0);
  checkCount('timeoutMs', timeoutMs, 1);
  const parsed = typeof reference === 'string' ? parseReference(reference) : reference;
  // Late: whoever pulls nothing need not wait for an HTTP client to load.
  const { RegistrySource } = await import('./registry-source.js');
  return new RegistrySource(parsed, { ...options, retries, timeoutMs });
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new OverlayerError('InvalidArgument', `Option ${name} is not a number of ${least} or more: ${value}`);
}
