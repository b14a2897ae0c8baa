import type { RuntimeFreeBSD, RuntimeMount } from './runtime-spec.js';

/** What Linux programs look for, as far as FreeBSD has it (containerd, pkg/oci, mounts_freebsd.go). */
const LINUX_MOUNTS: readonly RuntimeMount[] = [
  { destination: '/proc', type: 'linprocfs', source: 'linprocfs', options: ['nosuid', 'noexec'] },
  { destination: '/sys', type: 'linsysfs', source: 'linsysfs', options: ['nosuid', 'noexec', 'nodev'] },
];

const MOUNTS: readonly RuntimeMount[] = [
  // Rule set 4 is the one for jails (devfs.rules(5)).
  { destination: '/dev', type: 'devfs', source: 'devfs', options: ['ruleset=4'] },
  { destination: '/dev/fd', type: 'fdescfs', source: 'fdescfs', options: [] },
];

/** @param imageOS `linux` for a Linux image in a jail */
export function freebsdMounts(imageOS: string): readonly RuntimeMount[] {
  return imageOS === 'linux' ? [...LINUX_MOUNTS, ...MOUNTS] : MOUNTS;
}

/** A jail with a name and a network stack of its own, as containers on Linux have them (jail(8)). */
export const FREEBSD_SECTION: RuntimeFreeBSD = { jail: { host: 'new', vnet: 'new' } };
