import { OverlayerError } from '../base/errors.js';
import { RunningChecksum } from '../compression/crc32.js';
import { isErrno, O, S, type Stat, type System, type SystemError, type Times } from '../system/system.js';
import type { TarEntry } from '../tar/types.js';
import { closeQuietly, type Directory, type NewDirectory, OPEN_DIRECTORY, statId } from './directory.js';
import type { FileFinisher } from './finish-file.js';
import type { Identity } from './identity.js';
import type { KeptDirectories } from './kept-directories.js';
import { ACCESS_ACL, clearXattrs, DEFAULT_ACL, storedXattrName } from './xattrs.js';

const SPECIAL_BITS = 0o7000;
const PERMISSIONS = 0o777;
const OWNER_ALL = 0o700;
const CREATE_FILE = O.WRONLY | O.CREAT | O.EXCL;

/** A part of an entry that can't be applied and is skipped. */
type Omission =
  | 'xattr-skipped'
  | 'device-skipped'
  | 'ownership-ignored'
  | 'setuid-skipped'
  | 'setgid-skipped';

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/**
 * Creates entries in open directories. Sets attributes in the order in which no step changes an earlier one: owner (which
 * clears setuid and capabilities), extended attributes, mode, times. Replaces nothing: an existing name is EEXIST, which the
 * caller handles.
 *
 * Its thread has the umask 0, so that a file has the right mode from its creation. A file of root needs four system calls
 * (open, write, times, close). Another thread can do all but the first.
 */
export class EntryWriter {
  readonly #system: System;
  readonly #identity: Identity;
  readonly #directories: KeptDirectories;
  readonly #omit: (omission: Omission, entry: TarEntry, detail?: string) => void;
  readonly #refusesModes: boolean;
  /** Only the owner may enter the root until the unpack ends. */
  readonly #privateRoot: boolean;
  readonly #finisher: FileFinisher;
  readonly #checksum: RunningChecksum | undefined;
  readonly #imageRoot: Owner;
  #chownRefused = false;
  #file = -1;
  #fileOffset = 0;
  /** The file's content so far is in the finisher's memory from `#keptStart` to `#keptEnd`, and not yet written. */
  #kept = false;
  #keptStart = 0;
  #keptEnd = 0;
  #bufferAddress = 0;
  #buffer: Uint8Array | undefined;

  constructor(
    system: System,
    identity: Identity,
    directories: KeptDirectories,
    options: {
      readonly exactModes: boolean;
      readonly privateRoot: boolean;
      readonly finisher: FileFinisher;
      /** Compute the checksums of files for the finisher. */
      readonly checksums: boolean;
      /** The ids on this host of the image's root. */
      readonly imageRoot: Owner;
    },
    omit: (omission: Omission, entry: TarEntry, detail?: string) => void,
  ) {
    this.#system = system;
    this.#identity = identity;
    this.#directories = directories;
    this.#refusesModes = options.exactModes;
    this.#privateRoot = options.privateRoot;
    this.#finisher = options.finisher;
    this.#checksum = options.checksums ? new RunningChecksum() : undefined;
    this.#imageRoot = options.imageRoot;
    this.#omit = omit;
  }

  /** Whether a new file may get another mode than requested, or inherited attributes. */
  get #exactModes(): boolean {
    return this.#refusesModes || this.#directories.inherits;
  }

  /** Whether a new file may not have its mode yet. An access control list has changed it. */
  #needsMode({ mode, xattrs }: TarEntry): boolean {
    return this.#exactModes || (mode & SPECIAL_BITS) !== 0 || xattrs?.has(ACCESS_ACL) === true;
  }

  beginFile(directory: Directory, name: string, entry: TarEntry): void {
    this.#file = this.#system.openAt(directory.descriptor, name, CREATE_FILE, entry.mode & PERMISSIONS);
    this.#fileOffset = 0;
    // A write clears capabilities, so attributes are set after it; and holes are not in memory.
    this.#kept = entry.size <= this.#finisher.maxBytes && entry.xattrs === undefined && !entry.sparse;
    this.#keptStart = this.#keptEnd = -1;
    this.#checksum?.begin();
  }

  /** Ranges are in order; a gap is a hole. */
  data(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (!this.#kept || !this.#keep(bytes, start, end)) this.#write(bytes, start, end, position);
  }

  #write(bytes: Uint8Array, start: number, end: number, position: number): void {
    this.#checksum?.data(bytes, start, end, position);
    const address = this.#addressOf(bytes) + start;
    if (position === this.#fileOffset) this.#system.write(this.#file, address, end - start);
    else this.#system.pwrite(this.#file, address, end - start, position);
    // pwrite does not move the file's offset: after a hole all writes are pwrite.
    if (position === this.#fileOffset) this.#fileOffset += end - start;
  }

  #addressOf(bytes: Uint8Array): number {
    if (bytes !== this.#buffer) {
      this.#buffer = bytes;
      this.#bufferAddress = this.#system.address(bytes);
    }
    return this.#bufferAddress;
  }

  /** @returns false when the content is not contiguous in the finisher's memory; it is then written up to here */
  #keep(bytes: Uint8Array, start: number, end: number): boolean {
    const finisher = this.#finisher;
    const first = this.#keptStart < 0;
    if (bytes === finisher.bytes && (first || start === this.#keptEnd)) {
      if (first) {
        finisher.keep(start);
        this.#keptStart = start;
      }
      this.#keptEnd = end;
      return true;
    }
    this.#kept = false;
    if (first) return false;
    this.#write(finisher.bytes, this.#keptStart, this.#keptEnd, 0);
    finisher.letGo();
    return false;
  }

  endFile(directory: Directory, entry: TarEntry): void {
    const { sparse, size, xattrs } = entry;
    const file = this.#file;
    let owner: Owner = entry;
    let chown = false;
    if (sparse) this.#system.truncate(file, size);
    const isLeft = xattrs === undefined && this.#identity.isRoot && !this.#identity.rootless;
    if (isLeft) chown = this.#needsChown(directory, entry);
    else owner = this.#chown(directory, entry, (uid, gid) => this.#system.chown(file, uid, gid));
    if (xattrs !== undefined)
      this.#setXattrs(entry, (name, value) => this.#system.setXattr(file, name, value));
    const kept = this.#kept && this.#keptStart >= 0;
    const tail = {
      descriptor: file,
      start: kept ? this.#keptStart : 0,
      length: kept ? this.#keptEnd - this.#keptStart : 0,
      uid: chown ? entry.uid : -1,
      gid: entry.gid,
      mode: this.#needsMode(entry) ? this.#grantable(entry, owner) : -1,
      times: timesOf(entry),
      checksum: this.#checksum?.end(kept ? 0 : size) ?? -1,
      // A whiteout that is made without privileges is a file, and may reuse the inode of a deleted file.
      isPlain: xattrs === undefined && !this.#exactModes && !this.#identity.rootless,
    };
    this.#file = -1;
    this.#finisher.take(tail, entry);
  }

  /** Closes a file that was begun but not ended. */
  abandonFile(): void {
    if (this.#file < 0) return;
    this.#system.close(this.#file);
    this.#file = -1;
  }

  /** @returns the open directory, whose times are to be set when it is closed */
  makeDirectory(directory: Directory, name: string, entry: TarEntry): NewDirectory {
    const inherits = directory.groupForNew !== undefined;
    const isPlain =
      !inherits &&
      entry.xattrs === undefined &&
      (entry.mode & OWNER_ALL) === OWNER_ALL &&
      !(entry.mode & (S.ISUID | S.ISGID)) &&
      !this.#exactModes &&
      !this.#needsChown(directory, entry);
    const { descriptor: parent } = directory;
    this.#system.makeDirectory(parent, name, isPlain ? entry.mode & 0o1777 : OWNER_ALL);
    const descriptor = this.#system.openAt(parent, name, OPEN_DIRECTORY, 0);
    try {
      if (!isPlain) this.#setOwnerAndMode(descriptor, directory, entry);
      return { descriptor, stat: this.#listDirectory(descriptor, entry), times: timesOf(entry) };
    } catch (error) {
      closeQuietly(this.#system, descriptor);
      throw error;
    }
  }

  /**
   * An entry for an existing directory replaces its attributes (image spec, layer.md, "Existing Directories"). The directory
   * must not be open.
   */
  replaceAttributes(directory: Directory, name: string, entry: TarEntry): void {
    const { descriptor: parent } = directory;
    const open = () => this.#system.openAt(parent, name, OPEN_DIRECTORY, 0);
    let descriptor: number;
    try {
      descriptor = open();
    } catch (error) {
      if (!isErrno(error, 'EACCES') || !this.#directories.refused(directory, name)) throw error;
      descriptor = open();
    }
    try {
      this.#replaceAttributes(descriptor, entry);
    } finally {
      this.#system.close(descriptor);
    }
  }

  /** `replaceAttributes` of the root, which stays open. */
  replaceRootAttributes(root: Directory, entry: TarEntry): void {
    const { descriptor } = root;
    const isPrivate = this.#privateRoot;
    this.#replaceAttributes(descriptor, entry, isPrivate);
    const { mode } = entry;
    this.#directories.opened({ ...root, stat: { ...this.#system.stat(descriptor), mode } }, isPrivate);
  }

  symlink(directory: Directory, name: string, entry: TarEntry): void {
    this.#system.symlink(entry.linkPath, directory.descriptor, name);
    this.#describeNode(directory, name, entry);
  }

  /** @returns false when it was skipped */
  makeNode(directory: Directory, name: string, entry: TarEntry, type: number): boolean {
    try {
      this.#system.makeNode(
        directory.descriptor,
        name,
        type | (entry.mode & PERMISSIONS),
        entry.devMajor,
        entry.devMinor,
      );
    } catch (error) {
      if (!this.#identity.rootless || !isErrno(error, 'EPERM')) throw error;
      this.#omit('device-skipped', entry);
      return false;
    }
    const owner = this.#describeNode(directory, name, entry);
    if (this.#needsMode(entry))
      this.#system.chmodAt(directory.descriptor, name, this.#grantable(entry, owner));
    return true;
  }

  /** @returns the owner of the new file */
  #describeNode(directory: Directory, name: string, entry: TarEntry): Owner {
    const { descriptor } = directory;
    const owner = this.#chown(directory, entry, (uid, gid) =>
      this.#system.chownAt(descriptor, name, uid, gid),
    );
    if (entry.xattrs !== undefined)
      this.#setXattrs(entry, (xattr, value) => this.#system.setXattrAt(descriptor, name, xattr, value));
    this.#system.setTimesAt(descriptor, name, timesOf(entry));
    return owner;
  }

  /**
   * @param parent undefined when the directory existed before, so that its owner is unknown
   * @param isPrivate deny access to all other users for now
   */
  #setOwnerAndMode(
    descriptor: number,
    parent: Directory | undefined,
    entry: TarEntry,
    isPrivate = false,
  ): void {
    this.#chown(parent, entry, (uid, gid) => this.#system.chown(descriptor, uid, gid));
    if (entry.xattrs !== undefined)
      this.#setXattrs(entry, (name, value) => this.#system.setXattr(descriptor, name, value));
    this.#system.chmod(descriptor, isPrivate ? OWNER_ALL : entry.mode);
  }

  /** An entry has given the directory its attributes. */
  #listDirectory(descriptor: number, { xattrs }: TarEntry): Stat {
    const stat = this.#system.stat(descriptor);
    this.#directories.list(statId(stat), xattrs?.has(DEFAULT_ACL) === true);
    return stat;
  }

  #replaceAttributes(descriptor: number, entry: TarEntry, isPrivate = false): void {
    clearXattrs(this.#system, descriptor);
    this.#setOwnerAndMode(descriptor, undefined, entry, isPrivate);
    this.#system.setTimes(descriptor, timesOf(entry));
    this.#listDirectory(descriptor, entry);
  }

  /**
   * The mode without setuid and setgid bits that would take effect for another user than the image's. Without privileges the
   * caller is the image's root and owns its setuid files. A container that maps no other id runs them as root.
   */
  #grantable(entry: TarEntry, owner: Owner): number {
    const isRight = (id: 'uid' | 'gid') =>
      entry[id] === owner[id] || (entry[id] === this.#imageRoot[id] && owner[id] === this.#identity[id]);
    let { mode } = entry;
    if (mode & S.ISUID && !isRight('uid')) {
      mode &= ~S.ISUID;
      this.#omit('setuid-skipped', entry);
    }
    if (mode & S.ISGID && !isRight('gid')) {
      mode &= ~S.ISGID;
      this.#omit('setgid-skipped', entry);
    }
    return mode;
  }

  #needsChown(directory: Directory | undefined, entry: TarEntry): boolean {
    if (directory === undefined) return true;
    return entry.uid !== this.#identity.uid || entry.gid !== (directory.groupForNew ?? this.#identity.gid);
  }

  /** @returns the owner of the entry afterwards */
  #chown(
    directory: Directory | undefined,
    entry: TarEntry,
    chown: (uid: number, gid: number) => void,
  ): Owner {
    if (!this.#needsChown(directory, entry)) return entry;
    if (!this.#chownRefused) {
      try {
        chown(entry.uid, entry.gid);
        return entry;
      } catch (error) {
        if (!isErrno(error, 'EPERM', 'EINVAL')) throw error;
        if (!this.#identity.rootless) throw error.errno === 'EINVAL' ? withoutId(entry, error) : error;
        // chown fails for every file without privileges, so it is not tried again.
        this.#chownRefused = this.#identity.uid !== 0;
      }
    }
    this.#omit('ownership-ignored', entry, `${entry.uid}:${entry.gid}`);
    return { uid: this.#identity.uid, gid: directory?.groupForNew ?? this.#identity.gid };
  }

  #setXattrs(entry: TarEntry, set: (name: string, value: Uint8Array) => void): void {
    const takesUserXattrs = mayHaveUserXattrs(entry);
    for (const [name, value] of entry.xattrs!) {
      const stored = storedXattrName(name);
      if (stored === undefined) continue; // the plan has reported it
      if (!takesUserXattrs && stored.startsWith('user.')) {
        this.#omit('xattr-skipped', entry, name);
        continue;
      }
      try {
        set(stored, value);
      } catch (error) {
        const refused = this.#identity.rootless && isErrno(error, 'EPERM', 'EACCES');
        if (!refused && !isErrno(error, 'ENOTSUP', 'EOPNOTSUPP')) throw error;
        this.#omit('xattr-skipped', entry, name);
      }
    }
  }
}

/** chown(2) fails with EINVAL only for an owner that the user namespace does not map. */
function withoutId({ uid, gid }: TarEntry, cause: SystemError): OverlayerError {
  return new OverlayerError('FailedPrecondition', `the user namespace does not map the owner ${uid}:${gid}`, {
    hint: 'leave out owners that are not mapped (the rootless option, --rootless), or map more ids',
    errno: cause.errno,
    cause,
  });
}

/** xattr(7): user attributes are for regular files and directories only. */
function mayHaveUserXattrs(entry: TarEntry): boolean {
  return entry.type === 'file' || entry.type === 'directory';
}

function timesOf(entry: TarEntry): Times {
  const { mtimeSec, mtimeNsec } = entry;
  return {
    mtimeSec,
    mtimeNsec,
    atimeSec: entry.atimeSec ?? mtimeSec,
    atimeNsec: entry.atimeNsec ?? mtimeNsec,
  };
}
