import { OverlayerError } from '../base/errors.js';
import { type IdMap, MOUNT_ATTRIBUTE, MS } from '../system/mount-system.js';

/** Flags of fstab: their bits for mount(2), and for fsmount(2) where it has them. */
const FLAGS = {
  ro: { ms: MS.RDONLY, attribute: MOUNT_ATTRIBUTE.RDONLY },
  nosuid: { ms: MS.NOSUID, attribute: MOUNT_ATTRIBUTE.NOSUID },
  nodev: { ms: MS.NODEV, attribute: MOUNT_ATTRIBUTE.NODEV },
  noexec: { ms: MS.NOEXEC, attribute: MOUNT_ATTRIBUTE.NOEXEC },
  noatime: { ms: MS.NOATIME, attribute: MOUNT_ATTRIBUTE.NOATIME },
  nodiratime: { ms: MS.NODIRATIME, attribute: MOUNT_ATTRIBUTE.NODIRATIME },
  relatime: { ms: MS.RELATIME, attribute: 0 },
  strictatime: { ms: MS.STRICTATIME, attribute: MOUNT_ATTRIBUTE.STRICTATIME },
  // These belong to the filesystem, not to its mount.
  sync: { ms: MS.SYNCHRONOUS, attribute: 0 },
  dirsync: { ms: MS.DIRSYNC, attribute: 0 },
  mand: { ms: MS.MANDLOCK, attribute: 0 },
} as const;

type Flag = keyof typeof FLAGS;

/** Words that clear a flag. */
const UNDOES: Readonly<Record<string, Flag>> = {
  rw: 'ro',
  suid: 'nosuid',
  dev: 'nodev',
  exec: 'noexec',
  atime: 'noatime',
  diratime: 'nodiratime',
  norelatime: 'relatime',
  nostrictatime: 'strictatime',
  async: 'sync',
  nomand: 'mand',
};

const OF_THE_FILE_SYSTEM: readonly Flag[] = ['ro', 'sync', 'dirsync', 'mand'];
const OF_ACCESS_TIMES: readonly Flag[] = ['noatime', 'relatime', 'strictatime'];

export interface MountOptions {
  readonly bind: 'no' | 'bind' | 'rbind';
  /** `rro`: mounts below the source become read-only as well. */
  readonly recursiveReadOnly: boolean;
  readonly flags: ReadonlySet<Flag>;
  readonly idMap: IdMap | undefined;
  /** Options of the filesystem: `key=value` or `key`. */
  readonly data: readonly string[];
}

/**
 * Parses options like containerd (core/mount): flags are those of fstab and the last one counts, `uidmap` and
 * `gidmap` are lists of `container:host:size`, and all other options belong to the filesystem. It also knows `rro`,
 * as in the OCI runtime specification. EROFS is always read-only, and each of its options is one parameter.
 *
 * @throws OverlayerError `Unimplemented` for options of containerd's mount manager, `InvalidArgument` for a map that
 *   is not valid
 */
export function parseMountOptions(type: string, options: readonly string[]): MountOptions {
  let bind: MountOptions['bind'] = type === 'bind' ? 'bind' : 'no';
  const flags = new Set<Flag>();
  const data: string[] = [];
  const maps = new Map<string, string>();
  const isErofs = type === 'erofs';
  // Without it, the kernel would open a loop device for writing.
  if (isErofs) flags.add('ro');
  for (const option of options) {
    const [key, value] = splitOption(option);
    if (isErofs && (option === 'loop' || option === 'rw')) continue;
    else if (option === 'bind' || option === 'rbind') bind = option;
    else if (Object.hasOwn(FLAGS, option)) addFlag(flags, option as Flag);
    else if (Object.hasOwn(UNDOES, option)) flags.delete(UNDOES[option]!);
    else if (option === 'rro') flags.add('ro');
    else if (option === 'defaults') continue;
    else if (isIdMap(option)) maps.set(key, parseIdMap(option, value ?? ''));
    else data.push(...(isErofs ? [understood(option)] : splitData(understood(option))));
  }
  return { bind, recursiveReadOnly: options.includes('rro'), flags, idMap: bothMaps(maps), data };
}

export function isIdMap(option: string): boolean {
  return option.startsWith('uidmap=') || option.startsWith('gidmap=');
}

/** Splits `key=value`; the value is undefined for a key alone. */
export function splitOption(option: string): readonly [key: string, value?: string] {
  const at = option.indexOf('=');
  return at === -1 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}

/** The bits for mount(2). */
export function mountFlags(options: MountOptions): number {
  let bits = 0;
  for (const flag of options.flags) bits |= FLAGS[flag].ms;
  return bits;
}

/** The bits for fsmount(2), and those that mount_setattr(2) has to clear first. */
export function mountAttributes({ flags }: MountOptions): { readonly set: number; readonly clear: number } {
  let set = 0;
  for (const flag of flags) set |= FLAGS[flag].attribute;
  return { set, clear: OF_ACCESS_TIMES.some((flag) => flags.has(flag)) ? MOUNT_ATTRIBUTE.ATIME : 0 };
}

/** Only one flag about access times can be set. */
function addFlag(flags: Set<Flag>, flag: Flag): void {
  if (OF_ACCESS_TIMES.includes(flag)) for (const other of OF_ACCESS_TIMES) flags.delete(other);
  flags.add(flag);
}

/** The flags that the filesystem gets as parameters. */
export function fileSystemFlags({ flags }: MountOptions): string[] {
  return OF_THE_FILE_SYSTEM.filter((flag) => flags.has(flag));
}

/** The kernel would refuse these without an explanation. Ignoring one, such as dm-verity's, would be worse. */
function understood(option: string): string {
  if (option === 'loop' || option === 'remount' || option.startsWith('X-containerd.'))
    throw new OverlayerError('Unimplemented', `Mount option "${option}" is not supported`, {
      hint: 'only overlay mounts, bind mounts and plain filesystems are supported',
    });
  return option;
}

/** Splits an option at its commas, except escaped ones. */
function splitData(option: string): readonly string[] {
  return option.match(/(?:\\.|[^,\\])+/g) ?? [];
}

/** Converts `container:host:size[,…]` to the form of /proc/PID/uid_map. */
function parseIdMap(option: string, value: string): string {
  const ranges = value.split(',').map((range) => /^(\d+):(\d+):(\d+)$/.exec(range)?.slice(1));
  if (ranges.includes(undefined))
    throw new OverlayerError(
      'InvalidArgument',
      `Mount option "${option}" is not a list of container-id:host-id:size`,
    );
  return ranges.map((range) => `${range!.join(' ')}\n`).join('');
}

function bothMaps(maps: ReadonlyMap<string, string>): IdMap | undefined {
  if (maps.size === 0) return undefined;
  const [uids, gids] = [maps.get('uidmap'), maps.get('gidmap')];
  if (uids !== undefined && gids !== undefined) return { uids, gids };
  throw new OverlayerError('InvalidArgument', 'A mount needs both or neither of "uidmap" and "gidmap"');
}
