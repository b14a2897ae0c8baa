import { checkArgument, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { parseReference, type Reference } from '../reference.js';
import type { Credentials } from './auth/credentials.js';
import type { RegistryHost } from './hosts/registry-hosts.js';
import type { Patience } from './http/http-exchange.js';
import type { RegistryNotice } from './registry-notice.js';

/** The largest delay of a timer in milliseconds (25 days). */
const MAX_COUNT = 2 ** 31 - 1;

/** skopeo and browsers have 6 connections. With parts of 4 MiB, 50 ms of latency cost a fifth of each at 20 MB/s. */
const MAX_CONNECTIONS = 8;
/** More would hold more than 256 MiB of a layer in memory. */
const MAX_GIVEN_CONNECTIONS = 64;

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
  /**
   * Connections over which the layers of the registry are fetched at once, each with another range. No more layers are fetched at
   * once than connections; 1 requests no ranges. Each takes 4 MiB of memory. A server that refuses requests because they are too many (429,
   * 503) gets fewer.
   * @default 1 while bytes come as fast as they are read, and up to 8 while they come more slowly
   */
  readonly connections?: number | undefined;
  /** Lifetime of the source in milliseconds. All requests fail after it. @default unlimited */
  readonly deadlineMs?: number | undefined;
  /** Called for delays and for problems that do not stop the work. @default none */
  readonly onNotice?: ((notice: RegistryNotice) => void) | undefined;
}

export const OPEN_REGISTRY_OPTIONS = {
  credentials: true,
  mirrors: true,
  hostsDirectories: 'strings',
  plainHTTP: 'boolean',
  retries: 'number',
  timeoutMs: 'number',
  minBytesPerSecond: 'number',
  connections: 'number',
  deadlineMs: 'number',
  onNotice: 'function',
} satisfies OptionNames<OpenRegistryOptions>;

/** A registry's servers, and how they are asked. */
export interface RegistryAccess extends Patience {
  readonly reference: Reference;
  /** Servers in the order of requests; the registry itself is the last. */
  readonly hosts: readonly RegistryHost[];
  readonly credentials: Credentials | undefined;
  readonly retries: number;
  /** The most connections for ranges. `isFixed`: also while bytes come fast. */
  readonly connections: { readonly most: number; readonly isFixed: boolean };
  readonly deadlineMs: number | undefined;
  readonly onNotice: ((notice: RegistryNotice) => void) | undefined;
}

/** Finds the servers of a reference, and sets the defaults. @throws OverlayerError as `openRegistry` */
export async function findRegistry(
  reference: string | Reference,
  options: OpenRegistryOptions,
): Promise<RegistryAccess> {
  const { credentials, retries = 5, timeoutMs = 30_000, minBytesPerSecond = 64 } = options;
  const { connections, deadlineMs, onNotice } = options;
  checkCount('retries', retries, 0);
  checkCount('timeoutMs', timeoutMs, 1);
  checkCount('minBytesPerSecond', minBytesPerSecond, 0);
  if (connections !== undefined) checkCount('connections', connections, 1, MAX_GIVEN_CONNECTIONS);
  if (deadlineMs !== undefined) checkCount('deadlineMs', deadlineMs, 1);
  const parsed = typeof reference === 'object' && reference !== null ? reference : parseReference(reference);
  for (const part of ['domain', 'repository'] as const)
    checkArgument(`reference.${part}`, parsed[part], 'string');
  const { HostDirectories } = await import('./hosts/host-directories.js');
  const { registryHosts } = await import('./hosts/registry-hosts.js');
  const directories = new HostDirectories(options.hostsDirectories);
  const hosts = await registryHosts(parsed.domain, directories, options);
  for (const message of directories.warnings) onNotice?.({ type: 'warning', message });
  const waits = { retries, timeoutMs, minBytesPerSecond, deadlineMs };
  const lanes = { most: connections ?? MAX_CONNECTIONS, isFixed: connections !== undefined };
  return { reference: parsed, hosts, credentials, onNotice, connections: lanes, ...waits };
}

function checkCount(name: string, value: number, least: number, most = MAX_COUNT): void {
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const range = `from ${least} to ${most}`;
  throw new OverlayerError('InvalidArgument', `Option ${name} is not a whole number ${range}: ${value}`);
}
