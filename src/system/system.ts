/**
 * The one seam to the kernel: the calls Node has no word for, and those whose cost counts, all relative to a
 * directory descriptor. Tests put an object that refuses (EPERM, ENOSPC, EIO) in its place.
 *
 * Names are strings in the form of `base/path-bytes.ts`. Every call throws `SystemError` when the kernel
 * refuses; nothing follows a symlink in the last component.
 */
export interface System {
  /**
   * openat2(2): `path` is resolved below `directory` as if that were the root, symlinks and `..` included; or
   * not at all (ELOOP) where a symlink is on it.
   */
  openInRoot(directory: number, path: string, flags: number, symlinks: 'follow' | 'refuse'): number;
  openAt(directory: number, name: string, flags: number, mode: number): number;
  close(descriptor: number): void;
  /** Writes all of the memory at `address`. */
  write(descriptor: number, address: number, length: number): void;
  pwrite(descriptor: number, address: number, length: number, position: number): void;
  /** @returns bytes read, 0 at the end */
  read(descriptor: number, address: number, length: number): number;
  /** pread(2). @returns bytes read, 0 at the end */
  readAt(descriptor: number, address: number, length: number, position: number): number;
  truncate(descriptor: number, size: number): void;
  /** fallocate(2): the disk has room for that many bytes from the file's start. With `keep` its size stays as it is. */
  allocate(descriptor: number, bytes: number, size: 'grow' | 'keep'): void;
  /** ioctl(2) FICLONE: the whole file, sharing its blocks until one of the two is written. */
  cloneFile(from: number, to: number): void;
  /** copy_file_range(2). @returns bytes copied, which may be fewer; 0 at the end */
  copyRange(from: number, to: number, position: number, length: number): number;
  /** lseek(2) SEEK_DATA, which moves the descriptor there. Undefined when only a hole is left. */
  seekData(descriptor: number, position: number): number | undefined;
  /** lseek(2) SEEK_HOLE; the end of the file is one. */
  seekHole(descriptor: number, position: number): number;
  makeDirectory(directory: number, name: string, mode: number): void;
  makeNode(directory: number, name: string, mode: number, major: number, minor: number): void;
  symlink(target: string, directory: number, name: string): void;
  /** A symlink as target is linked itself. */
  link(fromDirectory: number, fromName: string, directory: number, name: string): void;
  unlink(directory: number, name: string): void;
  removeDirectory(directory: number, name: string): void;
  readLink(directory: number, name: string): string;
  stat(descriptor: number): Stat;
  statAt(directory: number, name: string): Stat;
  /** The magic number of the file system that it is on (statfs(2)). */
  fileSystemType(descriptor: number): number;
  /** Names in a directory, `.` and `..` left out. */
  list(descriptor: number): DirectoryEntry[];
  chown(descriptor: number, uid: number, gid: number): void;
  chownAt(directory: number, name: string, uid: number, gid: number): void;
  chmod(descriptor: number, mode: number): void;
  /** Not for symlinks, which have no mode. */
  chmodAt(directory: number, name: string, mode: number): void;
  setTimes(descriptor: number, times: Times): void;
  setTimesAt(directory: number, name: string, times: Times): void;
  setXattr(descriptor: number, name: string, value: Uint8Array): void;
  setXattrAt(directory: number, file: string, name: string, value: Uint8Array): void;
  removeXattr(descriptor: number, name: string): void;
  getXattr(descriptor: number, name: string): Uint8Array | undefined;
  listXattrs(descriptor: number): string[];
  /** These two of a name in an open directory, whatever it is: nothing is opened or followed. */
  getXattrAt(directory: number, file: string, name: string): Uint8Array | undefined;
  listXattrsAt(directory: number, file: string): string[];
  /** Of a directory: renameat2(2) with RENAME_NOREPLACE, which refuses what has the name already (EEXIST). */
  renameNew(fromDirectory: number, fromName: string, directory: number, name: string): void;
  /** renameat(2): what has the name already is replaced, at once. */
  rename(fromDirectory: number, fromName: string, directory: number, name: string): void;
  /** flock(2), until the descriptor is closed. @returns false when another has it */
  tryLock(descriptor: number): boolean;
  /** syncfs(2) */
  syncFileSystem(descriptor: number): void;
  /** The same, away from this thread: it may take seconds. */
  flushFileSystem(descriptor: number): Promise<void>;
  /** fsync(2) of a directory: a rename in it is on disk. */
  syncDirectory(descriptor: number): void;
  /** clock_gettime(2) CLOCK_REALTIME. The kernel's own times of files may be some milliseconds older. */
  clock(): Clock;
  /** Address of the memory behind `bytes`; good while `bytes` is referred to. */
  address(bytes: Uint8Array): number;
  /** getrlimit(2): how many files this process may have open. */
  descriptorLimit(): number;
  /** Gives this thread, and only it, a umask of 0. @returns false where that is refused (some seccomp profiles) */
  clearThreadUmask(): boolean;
}

interface Clock {
  /** Since the epoch. */
  readonly sec: number;
  readonly nsec: number;
}

export interface Times {
  readonly atimeSec: number;
  readonly atimeNsec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
}

export interface Stat extends Times {
  /** File type and permission bits, as st_mode. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  /** Of 512 bytes each, that it fills on disk. */
  readonly blocks: number;
  /** Inode number; exact up to 2^53. */
  readonly ino: number;
  readonly nlink: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Something is mounted here, and this is its root (Linux 5.8). */
  readonly isMountRoot: boolean;
}

export interface DirectoryEntry {
  readonly name: string;
  /** As `Stat.ino`, on most file systems. */
  readonly ino: number;
  /** d_type of readdir(3): one of `DT`, or another. */
  readonly type: number;
}

/** The kernel said no. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  constructor(
    /** `ENOENT` and so on. */
    readonly errno: string,
    readonly syscall: string,
    readonly path: string,
  ) {
    super(`${path === '' ? syscall : `${syscall} "${path}"`}: ${errno}`);
  }
}

export function isErrno(error: unknown, ...errnos: readonly string[]): error is SystemError {
  return error instanceof SystemError && errnos.includes(error.errno);
}

/**
 * A refusal that came by way of node:fs.
 *
 * @param path of what was refused, where the error does not say it
 * @throws the error itself, where it is no refusal of the kernel
 */
export function asSystemError(error: unknown, path: string): SystemError {
  if (error instanceof SystemError) return error;
  const { code, syscall, path: own = path } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) throw error;
  return new SystemError(code, syscall, own);
}

/** Values of Linux's <fcntl.h> and <sys/stat.h>, the same on every architecture Node runs on, but where noted. */
export const O = {
  RDONLY: 0,
  WRONLY: 0o1,
  CREAT: 0o100,
  EXCL: 0o200,
  NONBLOCK: 0o4000,
  CLOEXEC: 0o2000000,
  PATH: 0o10000000,
  // arm and powerpc number these two differently.
  DIRECTORY:
    process.arch === 'arm64' || process.arch === 'arm' || process.arch === 'ppc64' ? 0o40000 : 0o200000,
  NOFOLLOW:
    process.arch === 'arm64' || process.arch === 'arm' || process.arch === 'ppc64' ? 0o100000 : 0o400000,
} as const;

/** In the place of a directory descriptor: the working directory. */
export const AT_FDCWD = -100;

/** Of <dirent.h>: what a directory says of an entry. */
export const DT = { UNKNOWN: 0, DIR: 4, REG: 8 } as const;

export const S = {
  IFMT: 0o170000,
  IFREG: 0o100000,
  IFDIR: 0o040000,
  IFLNK: 0o120000,
  IFCHR: 0o020000,
  IFBLK: 0o060000,
  IFIFO: 0o010000,
  ISUID: 0o4000,
  ISGID: 0o2000,
} as const;
