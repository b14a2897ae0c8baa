import { isAbsolute, normalize } from 'node:path';
import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import type { ImageConfig } from '../../oci/image-config.js';
import { readInRoot } from '../../rootfs/read-in-root.js';
import { SystemError } from '../../system/system.js';
import { LINUX_PROCESS, linuxMounts, linuxSection, rootlessUser } from './linux.js';
import { resolveUser } from './resolve-user.js';
import type {
  CreatedRuntimeSpec,
  CreateRuntimeSpecOptions,
  RuntimeFreeBSD,
  RuntimeMount,
  RuntimeSpec,
  RuntimeUser,
} from './runtime-spec.js';

const MAX_DATABASE_BYTES = 4 * 1024 ** 2;
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** See `createRuntimeSpec`. */
export async function buildRuntimeSpec(
  config: ImageConfig,
  options: CreateRuntimeSpecOptions,
): Promise<CreatedRuntimeSpec> {
  const { rootfs, rootless } = options;
  if (!isAbsolute(rootfs))
    throw new OverlayerError('InvalidArgument', `Not an absolute path of a root filesystem: "${rootfs}"`);
  checkRead(config);
  const os = osOf(config, options);
  const { env, args, cwd } = processOf(config);
  const found = await findUser(rootfs, config.process.user);
  const user = rootless === undefined ? found : rootlessUser(found, rootless);
  const { annotations, omittedLabels } = annotationsOf(config);
  const common = { root: { path: rootfs }, annotations };
  const process = { cwd, env, args, user };
  const volumes = config.process.volumes.map(volumeMount);
  const spec: RuntimeSpec =
    os === 'linux'
      ? {
          ociVersion: '1.0.2',
          ...common,
          process: { ...process, ...LINUX_PROCESS },
          mounts: [...linuxMounts(rootless), ...volumes],
          linux: linuxSection(rootless),
        }
      : {
          ociVersion: '1.3.0',
          ...common,
          process,
          mounts: [...freebsdMounts(config.platform.os), ...volumes],
          freebsd: FREEBSD_SECTION,
        };
  return { spec, omittedLabels };
}

/** Refuses a config with unreadable fields: the container could run another command, or with more rights. */
function checkRead({ unread = [] }: ImageConfig): void {
  const [wrong] = unread;
  if (wrong === undefined) return;
  throw new OverlayerError(
    'InvalidArgument',
    `Cannot run the image: field ${wrong.field} of its config: ${wrong.reason}`,
    { hint: 'write the image again with a tool that follows the image specification' },
  );
}

function osOf({ platform }: ImageConfig, options: CreateRuntimeSpecOptions): 'linux' | 'freebsd' {
  const os = options.os ?? platform.os;
  if (platform.os !== 'linux' && platform.os !== 'freebsd')
    throw new OverlayerError('Unimplemented', `Cannot run an image for ${displayPath(platform.os)}`);
  if (os === 'linux' && platform.os === 'freebsd')
    throw new OverlayerError('FailedPrecondition', 'Linux cannot run an image for FreeBSD');
  if (os !== 'linux' && os !== 'freebsd')
    throw new OverlayerError('InvalidArgument', `Not a system to run containers on: "${os}"`);
  if (os === 'freebsd' && options.rootless !== undefined)
    throw new OverlayerError('InvalidArgument', 'FreeBSD has no user namespaces: rootless is for Linux');
  return os;
}

function processOf({ process }: ImageConfig) {
  const args = [...process.entrypoint, ...process.cmd];
  if (args.length === 0)
    throw new OverlayerError('FailedPrecondition', 'The image names no command', {
      hint: 'give the config a cmd',
    });
  const cwd = process.workingDir === '' ? '/' : process.workingDir;
  if (!isAbsolute(cwd)) throw wrong('working directory', cwd);
  for (const entry of process.env) if (!/^[^=]+=/.test(entry)) throw wrong('environment variable', entry);
  for (const text of [...args, ...process.env, cwd]) if (text.includes('\0')) throw wrong('string', text);
  const hasPath = process.env.some((entry) => entry.startsWith('PATH='));
  return { args, cwd, env: hasPath ? process.env : [DEFAULT_PATH, ...process.env] };
}

async function findUser(rootfs: string, user: string): Promise<RuntimeUser> {
  const { openLinuxSystem } = await import('../../system/linux.js');
  const system = openLinuxSystem();
  const read = (path: string) => readInRoot(system, rootfs, path, MAX_DATABASE_BYTES)?.toString('utf8') ?? '';
  try {
    return resolveUser(user, { passwd: read('etc/passwd'), group: read('etc/group') });
  } catch (cause) {
    if (OverlayerError.is(cause)) throw cause;
    const errno = cause instanceof SystemError ? cause.errno : String(Object(cause).code);
    const code = errno === 'ENOENT' || errno === 'ENOTDIR' ? 'NotFound' : 'PermissionDenied';
    throw new OverlayerError(code, `Cannot look up users in "${rootfs}": ${errno}`, { cause, errno });
  }
}

/** The mount of a volume. An image must not hide the root or the file systems of the runtime. */
function volumeMount(volume: string): RuntimeMount {
  const destination = normalize(volume).replace(/(.)\/$/, '$1');
  if (!isAbsolute(volume) || volume.includes('\0') || /^\/$|^\/(proc|sys|dev)(\/|$)/.test(destination))
    throw wrong('volume', volume);
  return {
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['rw', 'nosuid', 'nodev', 'noexec', 'relatime'],
  };
}

function wrong(what: string, text: string): OverlayerError {
  return new OverlayerError(
    'InvalidArgument',
    `The image's config has an invalid ${what}: "${displayPath(text)}"`,
  );
}

/**
 * Annotations that runtimes obey: crun runs hooks and other handlers, runc sets properties of systemd and the
 * configuration of CRIU. An image must not control these.
 */
const OBEYED =
  /^(run\.oci\.|org\.systemd\.|org\.criu\.|io\.kubernetes\.cri|io\.podman\.|com\.github\.containers)/;

interface Annotations {
  readonly annotations: Readonly<Record<string, string>>;
  readonly omittedLabels: readonly string[];
}

/** A label replaces a field of the config with the same name (OCI image spec, conversion.md "Annotations"). */
function annotationsOf({ platform, createdAt, process }: ImageConfig): Annotations {
  const implicit = {
    os: platform.os,
    architecture: platform.architecture,
    variant: platform.variant,
    'os.version': platform.osVersion,
    created: createdAt,
    stopSignal: process.stopSignal,
    exposedPorts: process.exposedPorts.length === 0 ? undefined : process.exposedPorts.join(','),
  };
  const annotations: Record<string, string> = {};
  for (const [name, value] of Object.entries(implicit))
    if (value !== undefined) annotations[`org.opencontainers.image.${name}`] = value;
  const labels = Object.entries(process.labels);
  for (const [name, value] of labels) if (!OBEYED.test(name)) annotations[name] = value;
  return { annotations, omittedLabels: labels.map(([name]) => name).filter((name) => OBEYED.test(name)) };
}

/** The file systems that Linux programs expect and FreeBSD has (containerd, pkg/oci, mounts_freebsd.go). */
const LINUX_MOUNTS: readonly RuntimeMount[] = [
  { destination: '/proc', type: 'linprocfs', source: 'linprocfs', options: ['nosuid', 'noexec'] },
  { destination: '/sys', type: 'linsysfs', source: 'linsysfs', options: ['nosuid', 'noexec', 'nodev'] },
];

const MOUNTS: readonly RuntimeMount[] = [
  // Rule set 4 is for jails (devfs.rules(5)).
  { destination: '/dev', type: 'devfs', source: 'devfs', options: ['ruleset=4'] },
  { destination: '/dev/fd', type: 'fdescfs', source: 'fdescfs', options: [] },
];

/** @param imageOS `linux` for a Linux image in a jail */
function freebsdMounts(imageOS: string): readonly RuntimeMount[] {
  return imageOS === 'linux' ? [...LINUX_MOUNTS, ...MOUNTS] : MOUNTS;
}

/** A jail with its own host name and network stack, like containers on Linux (jail(8)). */
const FREEBSD_SECTION: RuntimeFreeBSD = { jail: { host: 'new', vnet: 'new' } };
