import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { parseReference, type Reference } from '../reference.js';
import type { ImageSource } from '../source/image-source.js';
import type { Credentials } from './auth/credentials.js';
import type { RegistryNotice } from './registry-notice.js';

/** The largest delay of a timer in milliseconds (25 days). */
const MAX_COUNT = 2 ** 31 - 1;

/** How a registry and its mirrors are asked. */
export interface OpenRegistryOptions {
  /**
   * Credentials for the reference's registry. They are not sent to mirrors.
   * @default those of `docker login`, `podman login` or `skopeo login`. The files are `REGISTRY_AUTH_FILE`, or else
   *   `config.json` in `DOCKER_CONFIG` or `~/.docker`, and `containers/auth.json` in `XDG_RUNTIME_DIR` (else
   *   `/run/containers/UID`) and in `XDG_CONFIG_HOME` or `~/.config`. Credential helpers (`docker-credential-*`) that these
   *   files name are asked.
   */
  readonly credentials?: Credentials | undefined;
  /**
   * Mirrors by registry: `{ 'docker.io': ['https://mirror.example'] }`. They are asked in this order, before the registry.
   * `/v2` is added to URLs that lack it. Requests name the registry (`?ns=docker.io`).
   * @default none but those of `hostsDirectories`
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Directories with a subdirectory for each registry (`registry.example_5000_`, `registry.example:5000`, else `_default`), with
   * a `hosts.toml` (containerd, docs/hosts.md: `server`, mirrors as `host`, and their `capabilities`, `ca`, `client`,
   * `skip_verify`, `header` and `override_path`) or with certificates (`*.crt` are authorities for the registry; `NAME.cert`
   * and `NAME.key` are a client certificate). Files must belong to root or the user, and must not be world-writable.
   * @default `containerd/certs.d`, `docker/certs.d` and `containers/certs.d` in `XDG_CONFIG_HOME` or `~/.config`, and in `/etc`
   */
  readonly hostsDirectories?: readonly string[] | undefined;
  /**
   * Use HTTP without TLS. A registry on this machine (`localhost`, `127.0.0.1`) is tried without TLS in any case.
   * @default false
   */
  readonly plainHTTP?: boolean | undefined;
  /**
   * Consecutive retries of a request, or of a blob that breaks off, after a temporary failure. The delay is 0.1 to 5
   * seconds, or the registry's `Retry-After`. When that exceeds a minute, the request fails, and the error's hint tells when
   * to try again.
   * @default 5
   */
  readonly retries?: number | undefined;
  /**
   * Limit for a server's silence, and for the start of its response, in milliseconds.
   * @default 30,000
   */
  readonly timeoutMs?: number | undefined;
  /**
   * Lowest rate of a body in bytes per second, averaged over each `timeoutMs` of waiting. A slower body is requested again
   * from its current offset. 0 accepts any rate.
   * @default 64
   */
  readonly minBytesPerSecond?: number | undefined;
  /** Lifetime of the source in milliseconds. All requests fail after it. @default unlimited */
  readonly deadlineMs?: number | undefined;
  /** Called for delays and for problems that do not stop the work. @default none */
  readonly onNotice?: ((notice: RegistryNotice) => void) | undefined;
}

export const OPEN_REGISTRY_OPTIONS = {
  credentials: true,
  mirrors: true,
  hostsDirectories: true,
  plainHTTP: true,
  retries: true,
  timeoutMs: true,
  minBytesPerSecond: true,
  deadlineMs: true,
  onNotice: true,
} satisfies OptionNames<OpenRegistryOptions>;

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
  const { retries = 5, timeoutMs = 30_000, minBytesPerSecond = 64, deadlineMs, onNotice } = options;
  checkCount('retries', retries, 0);
  checkCount('timeoutMs', timeoutMs, 1);
  checkCount('minBytesPerSecond', minBytesPerSecond, 0);
  if (deadlineMs !== undefined) checkCount('deadlineMs', deadlineMs, 1);
  const parsed = typeof reference === 'string' ? parseReference(reference) : reference;
  // Loaded when used: other work need not wait for the HTTP client.
  const loading = import('./registry-source.js');
  const { HostDirectories } = await import('./hosts/host-directories.js');
  const { registryHosts } = await import('./hosts/registry-hosts.js');
  const directories = new HostDirectories(options.hostsDirectories);
  const hosts = await registryHosts(parsed.domain, directories, options);
  for (const message of directories.warnings) onNotice?.({ type: 'warning', message });
  const { RegistrySource } = await loading;
  const waits = { retries, timeoutMs, minBytesPerSecond, deadlineMs };
  return new RegistrySource(parsed, { hosts, credentials: options.credentials, onNotice, ...waits });
}

function checkCount(name: string, value: number, least: number): void {
  if (Number.isInteger(value) && value >= least && value <= MAX_COUNT) return;
  const range = `from ${least} to ${MAX_COUNT}`;
  throw new OverlayerError('InvalidArgument', `Option ${name} is not a whole number ${range}: ${value}`);
}
