import { OverlayerError } from '../base/errors.js';
import { type IdMap, MOUNT_ATTRIBUTE, MS } from '../system/mount-system.js';

/** fstab's words for how a mount behaves: bits of mount(2), and those of fsmount(2) where it has them. */
const FLAGS = {
  ro: { ms: MS.RDONLY, attribute: MOUNT_ATTRIBUTE.RDONLY },
  nosuid: { ms: MS.NOSUID, attribute: MOUNT_ATTRIBUTE.NOSUID },
  nodev: { ms: MS.NODEV, attribute: MOUNT_ATTRIBUTE.NODEV },
  noexec: { ms: MS.NOEXEC, attribute: MOUNT_ATTRIBUTE.NOEXEC },
  noatime: { ms: MS.NOATIME, attribute: MOUNT_ATTRIBUTE.NOATIME },
  nodiratime: { ms: MS.NODIRATIME, attribute: MOUNT_ATTRIBUTE.NODIRATIME },
  relatime: { ms: MS.RELATIME, attribute: 0 },
  strictatime: { ms: MS.STRICTATIME, attribute: MOUNT_ATTRIBUTE.STRICTATIME },
  // These are of the file system, not of a mount of it.
  sync: { ms: MS.SYNCHRONOUS, attribute: 0 },
  dirsync: { ms: MS.DIRSYNC, attribute: 0 },
  mand: { ms: MS.MANDLOCK, attribute: 0 },
} as const;

type Flag = keyof typeof FLAGS;

/** Words that take back another. */
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
  /** `rro`: mounts below the source become read-only too. */
  readonly recursiveReadOnly: boolean;
  readonly flags: ReadonlySet<Flag>;
  readonly idMap: IdMap | undefined;
  /** For the file system: `key=value` or `key`. */
  readonly data: readonly string[];
}

/**
 * Reads options as containerd does (core/mount): flags are fstab's, the last one counts, `uidmap` and `gidmap` are
 * a list of `container:host:size` each, and whatever is not known is for the file system. Beyond that `rro` is
 * understood, as in the OCI runtime specification.
 *
 * @throws OverlayerError `Unimplemented` for what only containerd's mount manager can do, `InvalidArgument` for a
 * map that makes no sense
 */
export function parseMountOptions(type: string, options: readonly string[]): MountOptions {
  let bind: MountOptions['bind'] = type === 'bind' ? 'bind' : 'no';
  const flags = new Set<Flag>();
  const data: string[] = [];
  const maps = new Map<string, string>();
  for (const option of options) {
    const [key, value] = splitOption(option);
    if (option === 'bind' || option === 'rbind') bind = option;
    else if (Object.hasOwn(FLAGS, option)) addFlag(flags, option as Flag);
    else if (Object.hasOwn(UNDOES, option)) flags.delete(UNDOES[option]!);
    else if (option === 'rro') flags.add('ro');
    else if (option === 'defaults') continue;
    else if (key === 'uidmap' || key === 'gidmap') maps.set(key, parseIdMap(option, value ?? ''));
    else data.push(...splitData(understood(option)));
  }
  return { bind, recursiveReadOnly: options.includes('rro'), flags, idMap: bothMaps(maps), data };
}

/** `key=value`, or a key alone. */
export function splitOption(option: string): readonly [key: string, value?: string] {
  const at = option.indexOf('=');
  return at === -1 ? [option] : [option.slice(0, at), option.slice(at + 1)];
}

/** Bits of mount(2). */
export function mountFlags(options: MountOptions): number {
  let bits = 0;
  for (const flag of options.flags) bits |= FLAGS[flag].ms;
  return bits;
}

/** Bits of fsmount(2), and those that mount_setattr(2) has to clear to set them. */
export function mountAttributes({ flags }: MountOptions): { readonly set: number; readonly clear: number } {
  let set = 0;
  for (const flag of flags) set |= FLAGS[flag].attribute;
  return { set, clear: OF_ACCESS_TIMES.some((flag) => flags.has(flag)) ? MOUNT_ATTRIBUTE.ATIME : 0 };
}

/** Of those about access times there is but one. */
function addFlag(flags: Set<Flag>, flag: Flag): void {
  if (OF_ACCESS_TIMES.includes(flag)) for (const other of OF_ACCESS_TIMES) flags.delete(other);
  flags.add(flag);
}

/** What a file system itself is told of the flags. */
export function fileSystemFlags({ flags }: MountOptions): string[] {
  return OF_THE_FILE_SYSTEM.filter((flag) => flags.has(flag));
}

/** The kernel would refuse these with less of an explanation; to leave out one such as dm-verity's would be worse. */
function understood(option: string): string {
  if (option === 'loop' || option === 'remount' || option.startsWith('X-containerd.'))
    throw new OverlayerError('Unimplemented', `Mount option "${option}" is not supported`, {
      hint: 'only overlay and bind mounts and plain file systems are mounted here',
    });
  return option;
}

/** One option may be several, with commas between them, of which some may be escaped. */
function splitData(option: string): readonly string[] {
  return option.match(/(?:\\.|[^,\\])+/g) ?? [];
}

/** `container:host:size[,…]` in the form of /proc/PID/uid_map. */
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
