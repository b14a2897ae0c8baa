import { OverlayerError } from '../../base/errors.js';
import type {
  IDMapping,
  RootlessMappings,
  RuntimeLinux,
  RuntimeMount,
  RuntimeProcess,
  RuntimeUser,
} from './runtime-spec.js';

// These are containerd's defaults (pkg/oci, spec.go and mounts.go).

const CAPABILITIES = [
  ...['CAP_CHOWN', 'CAP_DAC_OVERRIDE', 'CAP_FSETID', 'CAP_FOWNER', 'CAP_MKNOD', 'CAP_NET_RAW', 'CAP_SETGID'],
  ...['CAP_SETUID', 'CAP_SETFCAP', 'CAP_SETPCAP', 'CAP_NET_BIND_SERVICE', 'CAP_SYS_CHROOT', 'CAP_KILL'],
  'CAP_AUDIT_WRITE',
];

const MASKED_PATHS = [
  ...['/proc/acpi', '/proc/asound', '/proc/kcore', '/proc/keys', '/proc/latency_stats', '/proc/timer_list'],
  ...[
    '/proc/timer_stats',
    '/proc/sched_debug',
    '/proc/scsi',
    '/sys/firmware',
    '/sys/devices/virtual/powercap',
  ],
];

const READONLY_PATHS = ['/proc/bus', '/proc/fs', '/proc/irq', '/proc/sys', '/proc/sysrq-trigger'];

const MOUNTS: readonly RuntimeMount[] = [
  mount('/proc', 'proc', 'proc', 'nosuid,noexec,nodev'),
  mount('/dev', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
  mount('/dev/pts', 'devpts', 'devpts', 'nosuid,noexec,newinstance,ptmxmode=0666,mode=0620,gid=5'),
  mount('/dev/shm', 'tmpfs', 'shm', 'nosuid,noexec,nodev,mode=1777,size=65536k'),
  mount('/dev/mqueue', 'mqueue', 'mqueue', 'nosuid,noexec,nodev'),
  mount('/sys', 'sysfs', 'sysfs', 'nosuid,noexec,nodev,ro'),
  mount('/run', 'tmpfs', 'tmpfs', 'nosuid,strictatime,mode=755,size=65536k'),
];

export const LINUX_PROCESS: Pick<RuntimeProcess, 'capabilities' | 'noNewPrivileges' | 'rlimits'> = {
  capabilities: { bounding: CAPABILITIES, permitted: CAPABILITIES, effective: CAPABILITIES },
  noNewPrivileges: true,
  rlimits: [{ type: 'RLIMIT_NOFILE', hard: 1024, soft: 1024 }],
};

export function linuxMounts(rootless: RootlessMappings | undefined): readonly RuntimeMount[] {
  if (rootless === undefined) return MOUNTS;
  return MOUNTS.map((standard) => {
    // Only the owner of the network namespace can mount sysfs, and a rootless container uses the host's network.
    if (standard.type === 'sysfs') return mount('/sys', 'none', '/sys', 'rbind,nosuid,noexec,nodev,ro');
    const options = standard.options.filter((option) => !option.startsWith('gid='));
    return { ...standard, options };
  });
}

export function linuxSection(rootless: RootlessMappings | undefined): RuntimeLinux {
  const namespaces = ['pid', 'ipc', 'uts', 'mount', rootless === undefined ? 'network' : 'user'];
  return {
    namespaces: namespaces.map((type) => ({ type })),
    maskedPaths: MASKED_PATHS,
    readonlyPaths: READONLY_PATHS,
    // A rootless container has no cgroup for the rules of devices.
    ...(rootless === undefined ? { resources: { devices: [{ allow: false, access: 'rwm' }] } } : rootless),
  };
}

/**
 * The user inside a user namespace. Groups without a mapping are dropped. With a mapping of a single group the process
 * may not set any additional groups (user_namespaces(7), "setgroups").
 *
 * @throws OverlayerError `FailedPrecondition`: the user is not mapped
 */
export function rootlessUser(user: RuntimeUser, { uidMappings, gidMappings }: RootlessMappings): RuntimeUser {
  const { uid, gid } = user;
  if (!isMapped(uid, uidMappings) || !isMapped(gid, gidMappings))
    throw new OverlayerError(
      'FailedPrecondition',
      `The image's user ${uid}:${gid} is not in the mappings of the user namespace`,
      { hint: 'map more ids (subuid(5)), or give the image another user' },
    );
  const isSingle = gidMappings.reduce((sum, { size }) => sum + size, 0) === 1;
  const mapped = user.additionalGids.filter((id) => isMapped(id, gidMappings));
  return { uid, gid, additionalGids: isSingle ? [] : mapped };
}

function isMapped(id: number, mappings: readonly IDMapping[]): boolean {
  return mappings.some(({ containerID, size }) => id >= containerID && id < containerID + size);
}

function mount(destination: string, type: string, source: string, options: string): RuntimeMount {
  return { destination, type, source, options: options.split(',') };
}
