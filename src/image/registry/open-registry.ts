import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { parseReference, type Reference } from '../reference.js';
import type { ImageSource } from '../source/image-source.js';
import type { Credentials } from './auth/credentials.js';
import type { RegistryNotice } from './registry-notice.js';

/** Of milliseconds that a timer can wait (25 days). */
const MAX_COUNT = 2 ** 31 - 1;

/** How a registry and its mirrors are asked. */
export interface OpenRegistryOptions {
  /**
   * For the reference's registry, not for its mirrors.
   * @default those of `docker login`, `podman login` or `skopeo login`: of the file `REGISTRY_AUTH_FILE`, or else of
   *   `config.json` in `DOCKER_CONFIG` or `~/.docker`, of `containers/auth.json` in `XDG_RUNTIME_DIR` (or in `/run`, and the
   *   user's id), and in `XDG_CONFIG_HOME` or `~/.config`; and the credential helpers (`docker-credential-*`) that they name
   */
  readonly credentials?: Credentials | undefined;
  /**
   * URLs by registry that are asked before it, in this order: `{ 'docker.io': ['https://mirror.example'] }`. `/v2` is
   * added to a URL that does not have it. Each is told whose image it is asked for (`?ns=docker.io`).
   * @default none but those of `hostsDirectories`
   */
  readonly mirrors?: Readonly<Record<string, readonly string[]>> | undefined;
  /**
   * Directories that have one for each registry (`registry.example_5000_`, `registry.example:5000`, else `_default`), with
   * a `hosts.toml` (containerd, docs/hosts.md: `server`, mirrors as `host`, and their `capabilities`, `ca`, `client`,
   * `skip_verify`, `header` and `override_path`) or with certificates (`*.crt` vouches for the registry; `NAME.cert` and
   * `NAME.key` are shown to it). Only files of root or the user are read, and none that everybody may write to.
   * @default `containerd/certs.d`, `docker/certs.d` and `containers/certs.d` in `XDG_CONFIG_HOME` or `~/.config`, and in `/etc`
   */
  readonly hostsDirectories?: readonly string[] | undefined;
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
 * Opens an image of a registry (OCI distribution spec). Nothing is asked before its first use. Proxies are those that
 * the environment names (`https_proxy`, `http_proxy`, `all_proxy`, `no_proxy`, in small letters or capitals). A server is
 * trusted by Node's own list of certificates, `NODE_EXTRA_CA_CERTS`, and the system's store or what `SSL_CERT_FILE` and
 * `SSL_CERT_DIR` name in its place.
 *
 * Its methods fail with these codes, besides those of `ImageSource`:
 *   - `Unauthenticated`: the registry wants credentials, or others
 *   - `PermissionDenied`, `NotFound`
 *   - `Unavailable`: no answer, or not one that helps, several times over
 *   - `DataLoss`: a manifest of another digest; while a blob is read: more bytes than its descriptor says
 *   - `ResourceExhausted`: a manifest of more than 4 MiB
 *   - `FailedPrecondition`: its `hosts.toml` lets nobody be asked
 *
 * @param reference as people write it (`debian:12`), or parsed
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
  // Late: whoever pulls nothing need not wait for an HTTP client to load.
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
