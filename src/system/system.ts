/**
 * The one seam to the kernel: system calls that Node lacks, and those whose cost matters, all relative to a directory
 * descriptor. Tests replace it by an object that fails (EPERM, ENOSPC, EIO).
 *
 * Names are strings in the form of `base/path-bytes.ts`. Every call throws `SystemError` when the system
 * call fails. No call follows a symlink in the last component.
 */
export interface System {
  /**
   * openat2(2): resolves `path` with `directory` as the root, also for symlinks and `..`. With `refuse`, a symlink on
   * the path fails (ELOOP).
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
  /** fallocate(2): reserves disk space for the first bytes of the file. With `keep` the file's size does not change. */
  allocate(descriptor: number, bytes: number, size: 'grow' | 'keep'): void;
  /** ioctl(2) FICLONE: the whole file, sharing its blocks until one of the two is written. */
  cloneFile(from: number, to: number): void;
  /**
   * copy_file_range(2).
   *
   * @param target position in `to`
   * @returns bytes copied, which may be fewer; 0 at the end
   */
  copyRange(from: number, to: number, position: number, length: number, target: number): number;
  /** lseek(2) SEEK_DATA, which also moves the descriptor. Undefined when only a hole follows. */
  seekData(descriptor: number, position: number): number | undefined;
  /** lseek(2) SEEK_HOLE; the end of the file counts as a hole. */
  seekHole(descriptor: number, position: number): number;
  makeDirectory(directory: number, name: string, mode: number): void;
  makeNode(directory: number, name: string, mode: number, major: number, minor: number): void;
  symlink(target: string, directory: number, name: string): void;
  /** A symlink is linked itself, not its target. */
  link(fromDirectory: number, fromName: string, directory: number, name: string): void;
  unlink(directory: number, name: string): void;
  removeDirectory(directory: number, name: string): void;
  readLink(directory: number, name: string): string;
  stat(descriptor: number): Stat;
  statAt(directory: number, name: string): Stat;
  /** The magic number of the descriptor's file system (statfs(2)). */
  fileSystemType(descriptor: number): number;
  /**
   * Names in a directory, without `.` and `..`.
   *
   * @param options `start`: only names that begin with it. Others cost a tenth of the time, and are not charged
   *
   * `onNames`: called with the number of names that each call to the kernel has returned; it throws to end the work
   */
  list(
    descriptor: number,
    options?: { readonly start?: string; readonly onNames?: (names: number) => void },
  ): DirectoryEntry[];
  chown(descriptor: number, uid: number, gid: number): void;
  chownAt(directory: number, name: string, uid: number, gid: number): void;
  chmod(descriptor: number, mode: number): void;
  /** Fails for symlinks, which have no mode. */
  chmodAt(directory: number, name: string, mode: number): void;
  setTimes(descriptor: number, times: Times): void;
  setTimesAt(directory: number, name: string, times: Times): void;
  setXattr(descriptor: number, name: string, value: Uint8Array): void;
  setXattrAt(directory: number, file: string, name: string, value: Uint8Array): void;
  removeXattr(descriptor: number, name: string): void;
  getXattr(descriptor: number, name: string): Uint8Array | undefined;
  listXattrs(descriptor: number): string[];
  /** An attribute of a name in an open directory, of any type. Opens and follows nothing. */
  getXattrAt(directory: number, file: string, name: string): Uint8Array | undefined;
  listXattrsAt(directory: number, file: string): string[];
  /** Renames a directory: renameat2(2) with RENAME_NOREPLACE, which fails when the name exists (EEXIST). */
  renameNew(fromDirectory: number, fromName: string, directory: number, name: string): void;
  /** renameat(2): atomically replaces an existing file. */
  rename(fromDirectory: number, fromName: string, directory: number, name: string): void;
  /** flock(2): locks until the descriptor is closed. @returns false when another descriptor has the lock */
  tryLock(descriptor: number): boolean;
  /** syncfs(2) */
  syncFileSystem(descriptor: number): void;
  /** syncfs(2) in another thread: it may take seconds. */
  flushFileSystem(descriptor: number): Promise<void>;
  /** sync_file_range(2): has the kernel begin to write a part of a file to the disk. Does nothing where it is missing. */
  startWriteback(descriptor: number, position: number, length: number): void;
  /** fsync(2) of a file. */
  syncFile(descriptor: number): void;
  /** fsync(2) of a directory: makes a rename in it durable. */
  syncDirectory(descriptor: number): void;
  /** clock_gettime(2) CLOCK_REALTIME. The kernel sets file times from a clock that may be some milliseconds behind. */
  clock(): Clock;
  /** Address of the memory of `bytes`; valid while `bytes` is referenced. */
  address(bytes: Uint8Array): number;
  /** getrlimit(2): the limit of open files of this process. */
  descriptorLimit(): number;
  /** Sets the umask of this thread only to 0. @returns false when it is blocked (some seccomp profiles) */
  clearThreadUmask(): boolean;
}

interface Clock {
  /** Seconds since the epoch. */
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
  /** Blocks of 512 bytes on disk. */
  readonly blocks: number;
  /** Inode number; exact up to 2^53. */
  readonly ino: number;
  readonly nlink: number;
  readonly devMajor: number;
  readonly devMinor: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Whether it is the root of a mount (Linux 5.8). */
  readonly isMountRoot: boolean;
}

export interface DirectoryEntry {
  readonly name: string;
  /** Equal to `Stat.ino` on most file systems. */
  readonly ino: number;
  /** d_type of readdir(3): one of `DT`, or another. */
  readonly type: number;
}

/** A system call failed. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  constructor(
    /** The errno's name: `ENOENT`. */
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
 * Converts an error of node:fs.
 *
 * @param path the path, when the error does not have one
 * @throws the error itself, when it is not one of a system call
 */
export function asSystemError(error: unknown, path: string): SystemError {
  if (error instanceof SystemError) return error;
  const { code, syscall, path: own = path } = error as NodeJS.ErrnoException;
  if (code === undefined || syscall === undefined) throw error;
  return new SystemError(code, syscall, own);
}

/** Values of Linux's <fcntl.h> and <sys/stat.h>. They are the same on all of Node's architectures, except where noted. */
export const O = {
  RDONLY: 0,
  WRONLY: 0o1,
  RDWR: 0o2,
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

/** The working directory, in place of a directory descriptor. */
export const AT_FDCWD = -100;

/** d_type of <dirent.h>. */
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
