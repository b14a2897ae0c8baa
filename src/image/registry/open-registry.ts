import { OverlayerError } from '../../base/errors.js';
import type { ImageSource } from '../image-source.js';
import { parseReference, type Reference } from '../reference.js';
import type { Credentials } from './credentials.js';
import type { RegistryNotice } from './registry-notice.js';

/** Of milliseconds that a timer can wait (25 days). */
const MAX_COUNT = 2 ** 31 - 1;

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
   * two tries are 0.1 to 5 seconds, or as long as the registry asks for (`Retry-After`). One that asks for more than a
   * minute is not tried again: the error's hint says when to come back.
   * @default 5
   */
  readonly retries?: number | undefined;
  /**
   * How long a server may say nothing, and how long its answer may take to begin, in milliseconds.
   * @default 30,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * How many bytes a second have to come of a body, on the average of each `timeoutMs` in which it is waited for; else
   * it is asked for again, from there on. 0: any number.
   * @default 64
   */
  readonly minBytesPerSecond?: number | undefined;
  /** How long the source may be asked, in milliseconds: after it, all requests fail. @default for ever */
  readonly deadlineMs?: number | undefined;
  /** Hears of waits and of what is not as it should be. @default nobody */
  readonly onNotice?: ((notice: RegistryNotice) => void) | undefined;
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
  const { retries = 5, timeoutMs = 30_000, minBytesPerSecond = 64, deadlineMs, onNotice } = options;
  checkCount('retries', retries, 0);
  checkCount('timeoutMs', timeoutMs, 1);
  checkCount('minBytesPerSecond', minBytesPerSecond, 0);
  if (deadlineMs !== undefined) checkCount('deadlineMs', deadlineMs, 1);
  const parsed = typeof reference === 'string' ? parseReference(reference) : reference;
  // Late: whoever pulls nothing need not wait for an HTTP client to load.
  const { RegistrySource } = await import('./registry-source.js');
  const waits = { retries, timeoutMs, minBytesPerSecond, deadlineMs };
  return new RegistrySource(parsed, { ...options, ...waits, onNotice });
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= MAX_COUNT) return;
  const range = `from ${least} to ${MAX_COUNT}`;
  throw new OverlayerError('InvalidArgument', `Option ${name} is not a whole number ${range}: ${value}`);
}
