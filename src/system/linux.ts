import { constants } from 'node:os';
import { OverlayerError } from '../base/errors.js';
import { loadKoffi } from '../base/natives.js';
import { decodePath } from '../base/path-bytes.js';
import { check, checkLater, cString, type ForeignFunction, fail, loadLibc } from './libc.js';
import { hasProc, procMissing } from './own-proc.js';
import { type ResolveCalls, resolveInRoot } from './resolve-in-root.js';
import {
  type DirectoryEntry,
  isErrno,
  O,
  type Stat,
  type System,
  SystemError,
  type Times,
} from './system.js';
import { bindXattrsAt } from './xattrs-at.js';

const AT_SYMLINK_NOFOLLOW = 0x100;
const AT_REMOVEDIR = 0x200;
const AT_EMPTY_PATH = 0x1000;
/** A network file system or FUSE may cache attributes that are older than a write by another name. */
const AT_STATX_FORCE_SYNC = 0x2000;
const STATX_BASIC_STATS = 0x7ff;
const CLOCK_REALTIME = 0;
const CLONE_FS = 0x200;
const RENAME_NOREPLACE = 1;
const STATX_ATTR_MOUNT_ROOT = 0x2000;
const RLIMIT_NOFILE = 7;
const LOCK_EX = 2;
const LOCK_NB = 4;
const FALLOC_FL_KEEP_SIZE = 1;
const SYNC_FILE_RANGE_WRITE = 2;
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
/** _IOW(0x94, 9, int); powerpc numbers the direction differently. */
const FICLONE = process.arch === 'ppc64' ? 0x80049409 : 0x40049409;
const SYS_OPENAT2 = 437; // on every architecture
const SYS_FCHMODAT2 = 452;
const RESOLVE_NO_MAGICLINKS = 0x02;
const RESOLVE_NO_SYMLINKS = 0x04;
const RESOLVE_IN_ROOT = 0x10;
/** openat2 fails with EAGAIN when a rename races with `..`. A race that lasts for this many attempts is an attack. */
const RESOLVE_ATTEMPTS = 64;

let opened: System | undefined;

/**
 * libc through koffi, synchronously: 125 to 225 ns a call, where `fs` promises cost 20 µs and more.
 * Memory is passed by its address as a number: a typed array costs 50 ns more, a view 100.
 * Each thread has one system, which takes 0.4 ms to make.
 *
 * @throws OverlayerError `Unimplemented` on any other system than Linux, and without koffi
 */
export function openLinuxSystem(): System {
  opened ??= bindLinuxSystem();
  return opened;
}

/** @returns undefined on other systems than Linux, and without koffi */
export function findLinuxSystem(): System | undefined {
  try {
    return openLinuxSystem();
  } catch (error) {
    if (OverlayerError.is(error) && error.code === 'Unimplemented') return undefined;
    throw error;
  }
}

function bindLinuxSystem(): System {
  const libc = loadLibc();
  const koffi = loadKoffi();
  const fn = (signature: string) => libc.func(signature) as ForeignFunction;

  // A `const char *` takes a string, or a buffer for a name that is not valid UTF-8.
  const c = {
    syscall: fn('int64_t syscall(int64_t, int64_t, const char *, uint64_t, uint64_t)'),
    openat: fn('int openat(int, const char *, int, uint32_t)'),
    close: fn('int close(int)'),
    write: fn('int64_t write(int, uint64_t, uint64_t)'),
    pwrite: fn('int64_t pwrite(int, uint64_t, uint64_t, int64_t)'),
    pread: fn('int64_t pread(int, uint64_t, uint64_t, int64_t)'),
    read: fn('int64_t read(int, uint64_t, uint64_t)'),
    ftruncate: fn('int ftruncate(int, int64_t)'),
    fallocate: fn('int fallocate(int, int, int64_t, int64_t)'),
    mkdirat: fn('int mkdirat(int, const char *, uint32_t)'),
    mknodat: fn('int mknodat(int, const char *, uint32_t, uint64_t)'),
    symlinkat: fn('int symlinkat(const char *, int, const char *)'),
    linkat: fn('int linkat(int, const char *, int, const char *, int)'),
    unlinkat: fn('int unlinkat(int, const char *, int)'),
    readlinkat: fn('int64_t readlinkat(int, const char *, uint64_t, uint64_t)'),
    statx: fn('int statx(int, const char *, int, uint32_t, uint64_t)'),
    fstatfs: fn('int fstatfs(int, uint64_t)'),
    ioctl: fn('int ioctl(int, uint64_t, int)'),
    copyFileRange: fn('int64_t copy_file_range(int, uint64_t, int, uint64_t, uint64_t, uint32_t)'),
    flock: fn('int flock(int, int)'),
    lseek: fn('int64_t lseek(int, int64_t, int)'),
    getdents: fn('int64_t getdents64(int, uint64_t, uint64_t)'),
    fchown: fn('int fchown(int, uint32_t, uint32_t)'),
    fchownat: fn('int fchownat(int, const char *, uint32_t, uint32_t, int)'),
    fchmod: fn('int fchmod(int, uint32_t)'),
    fchmodat2: fn('int64_t syscall(int64_t, int, const char *, uint32_t, int)'),
    chmod: fn('int chmod(const char *, uint32_t)'),
    futimens: fn('int futimens(int, uint64_t)'),
    utimensat: fn('int utimensat(int, const char *, uint64_t, int)'),
    fsetxattr: fn('int fsetxattr(int, const char *, const void *, uint64_t, int)'),
    fremovexattr: fn('int fremovexattr(int, const char *)'),
    fgetxattr: fn('int64_t fgetxattr(int, const char *, uint64_t, uint64_t)'),
    flistxattr: fn('int64_t flistxattr(int, uint64_t, uint64_t)'),
    renameat: fn('int renameat(int, const char *, int, const char *)'),
    renameat2: fn('int renameat2(int, const char *, int, const char *, uint32_t)'),
    syncfs: fn('int syncfs(int)'),
    fsync: fn('int fsync(int)'),
    syncFileRange: fn('int sync_file_range(int, int64_t, int64_t, uint32_t)'),
    clockGettime: fn('int clock_gettime(int, uint64_t)'),
    unshare: fn('int unshare(int)'),
    umask: fn('uint32_t umask(uint32_t)'),
    getrlimit: fn('int getrlimit(int, uint64_t)'),
  };

  const address = (bytes: Uint8Array) => Number(koffi.address(bytes));
  const scratch = Buffer.alloc(64 * 1024);
  const scratchAddress = address(scratch);
  const words = new DataView(scratch.buffer, scratch.byteOffset, scratch.byteLength);

  const writeAll = (call: (at: number, left: number) => number, length: number, syscall: string) => {
    for (let done = 0; done < length; ) done += check(call(done, length - done), syscall);
  };

  const putTimes = (times: Times): number => {
    putTimespec(0, times.atimeSec, times.atimeNsec);
    putTimespec(16, times.mtimeSec, times.mtimeNsec);
    return scratchAddress;
  };
  const putTimespec = (offset: number, sec: number, nsec: number) => {
    words.setInt32(offset, sec, true); // takes the low 32 bits
    words.setInt32(offset + 4, Math.floor(sec / 2 ** 32), true);
    words.setInt32(offset + 8, nsec, true);
    words.setInt32(offset + 12, 0, true);
  };

  const statx = (directory: number, name: string, flags: number): Stat => {
    const all = flags | AT_STATX_FORCE_SYNC;
    check(c.statx(directory, cString(name), all, STATX_BASIC_STATS, scratchAddress), 'statx', name);
    return readStatx(words);
  };

  const { ENODATA, ENOTSUP, EOPNOTSUPP } = constants.errno;
  const xattrValue = (length: number, syscall: string, name: string): Uint8Array | undefined => {
    if (length >= 0) return Uint8Array.from(scratch.subarray(0, length));
    return [ENODATA, ENOTSUP, EOPNOTSUPP].includes(koffi.errno()) ? undefined : fail(syscall, name);
  };
  const xattrNames = (length: number, syscall: string, file = ''): string[] => {
    if (length > 0) return decodePath(scratch.subarray(0, length)).split('\0').filter(Boolean);
    return length === 0 || [ENOTSUP, EOPNOTSUPP].includes(koffi.errno()) ? [] : fail(syscall, file);
  };

  const xattrsAt = bindXattrsAt(fn);

  let hasFchmodat2 = true;
  let hasOpenat2 = true;
  const readLinkTarget = (directory: number, name: string): string | undefined => {
    const length = c.readlinkat(directory, cString(name), scratchAddress, scratch.length);
    return length < 0 ? undefined : decodePath(scratch.subarray(0, length));
  };

  const resolveCalls: ResolveCalls = {
    openAt: (directory, name, flags, mode) => system.openAt(directory, name, flags, mode),
    close: (descriptor) => system.close(descriptor),
    targetOf: readLinkTarget,
  };

  const renameTo = (fromDirectory: number, fromName: string, directory: number, name: string): void =>
    void check(c.renameat(fromDirectory, cString(fromName), directory, cString(name)), 'renameat', name);

  const system: System = {
    address,
    openInRoot(directory, path, flags, symlinks) {
      if (!hasOpenat2) return resolveInRoot(resolveCalls, directory, path, flags, symlinks);
      words.setBigUint64(0, BigInt(flags | O.CLOEXEC), true);
      words.setBigUint64(8, 0n, true);
      const resolve = RESOLVE_IN_ROOT | (symlinks === 'follow' ? RESOLVE_NO_MAGICLINKS : RESOLVE_NO_SYMLINKS);
      words.setBigUint64(16, BigInt(resolve), true);
      const name = cString(path === '' ? '.' : path);
      for (let attempt = 1; ; attempt++) {
        const descriptor = c.syscall(SYS_OPENAT2, directory, name, scratchAddress, 24);
        if (descriptor >= 0) return descriptor;
        if (isMissing(koffi.errno())) {
          hasOpenat2 = false;
          return system.openInRoot(directory, path, flags, symlinks);
        }
        if (koffi.errno() !== constants.errno.EAGAIN || attempt === RESOLVE_ATTEMPTS)
          return fail('openat2', path);
      }
    },
    openAt: (directory, name, flags, mode) =>
      check(c.openat(directory, cString(name), flags | O.CLOEXEC | O.NOFOLLOW, mode), 'openat', name),
    close: (descriptor) => void check(c.close(descriptor), 'close'),
    write: (descriptor, at, length) =>
      writeAll((done, left) => c.write(descriptor, at + done, left), length, 'write'),
    pwrite: (descriptor, at, length, position) =>
      writeAll((done, left) => c.pwrite(descriptor, at + done, left, position + done), length, 'pwrite'),
    read: (descriptor, at, length) => check(c.read(descriptor, at, length), 'read'),
    readAt: (descriptor, at, length, position) => check(c.pread(descriptor, at, length, position), 'pread'),
    truncate: (descriptor, size) => void check(c.ftruncate(descriptor, size), 'ftruncate'),
    allocate: (descriptor, bytes, size) =>
      void check(c.fallocate(descriptor, size === 'keep' ? FALLOC_FL_KEEP_SIZE : 0, 0, bytes), 'fallocate'),
    cloneFile: (from, to) => void check(c.ioctl(to, FICLONE, from), 'ioctl FICLONE'),
    copyRange(from, to, position, length, target) {
      words.setBigInt64(0, BigInt(position), true);
      words.setBigInt64(8, BigInt(target), true);
      const [fromPosition, toPosition] = [scratchAddress, scratchAddress + 8];
      return check(c.copyFileRange(from, fromPosition, to, toPosition, length, 0), 'copy_file_range');
    },
    seekData(descriptor, position) {
      const data = c.lseek(descriptor, position, SEEK_DATA);
      return data < 0 && koffi.errno() === constants.errno.ENXIO ? undefined : check(data, 'lseek');
    },
    seekHole: (descriptor, position) => check(c.lseek(descriptor, position, SEEK_HOLE), 'lseek'),
    makeDirectory: (directory, name, mode) =>
      void check(c.mkdirat(directory, cString(name), mode), 'mkdirat', name),
    makeNode: (directory, name, mode, major, minor) =>
      void check(c.mknodat(directory, cString(name), mode, makeDevice(major, minor)), 'mknodat', name),
    symlink: (target, directory, name) =>
      void check(c.symlinkat(cString(target), directory, cString(name)), 'symlinkat', name),
    link: (fromDirectory, fromName, directory, name) =>
      void check(c.linkat(fromDirectory, cString(fromName), directory, cString(name), 0), 'linkat', name),
    unlink: (directory, name) => void check(c.unlinkat(directory, cString(name), 0), 'unlinkat', name),
    removeDirectory: (directory, name) =>
      void check(c.unlinkat(directory, cString(name), AT_REMOVEDIR), 'unlinkat', name),
    readLink: (directory, name) => readLinkTarget(directory, name) ?? fail('readlinkat', name),
    stat: (descriptor) => statx(descriptor, '', AT_EMPTY_PATH),
    statAt: (directory, name) => statx(directory, name, AT_SYMLINK_NOFOLLOW),
    fileSystemType(descriptor) {
      check(c.fstatfs(descriptor, scratchAddress), 'fstatfs');
      return words.getUint32(0, true); // f_type, of 4 or 8 bytes
    },
    list(descriptor, { start = '', onNames } = {}) {
      check(c.lseek(descriptor, 0, 0), 'lseek');
      const entries: DirectoryEntry[] = [];
      for (;;) {
        const length = check(c.getdents(descriptor, scratchAddress, scratch.length), 'getdents64');
        if (length === 0)
          return start === '' ? entries : entries.filter(({ name }) => name.startsWith(start));
        const before = entries.length;
        if (scratch.subarray(0, length).includes(start)) readDirents(scratch, words, length, entries);
        onNames?.(entries.length - before);
      }
    },
    chown: (descriptor, uid, gid) => void check(c.fchown(descriptor, uid, gid), 'fchown'),
    chownAt: (directory, name, uid, gid) =>
      void check(c.fchownat(directory, cString(name), uid, gid, AT_SYMLINK_NOFOLLOW), 'fchownat', name),
    chmod: (descriptor, mode) => void check(c.fchmod(descriptor, mode), 'fchmod'),
    chmodAt(directory, name, mode) {
      // Linux 6.6.
      if (hasFchmodat2) {
        const result = c.fchmodat2(SYS_FCHMODAT2, directory, cString(name), mode, AT_SYMLINK_NOFOLLOW);
        if (result === 0) return;
        hasFchmodat2 = koffi.errno() !== constants.errno.ENOSYS;
        if (!isMissing(koffi.errno())) fail('fchmodat2', name);
      }
      // The /proc link of an O_PATH descriptor always leads to this file.
      const descriptor = system.openAt(directory, name, O.PATH, 0);
      try {
        if (c.chmod(`/proc/self/fd/${descriptor}`, mode) < 0) {
          if (!hasProc()) throw procMissing(`Cannot give "${name}" a mode`);
          fail('chmod', name);
        }
      } finally {
        system.close(descriptor);
      }
    },
    setTimes: (descriptor, times) => void check(c.futimens(descriptor, putTimes(times)), 'futimens'),
    setTimesAt: (directory, name, times) =>
      void check(
        c.utimensat(directory, cString(name), putTimes(times), AT_SYMLINK_NOFOLLOW),
        'utimensat',
        name,
      ),
    setXattr: (descriptor, name, value) =>
      void check(c.fsetxattr(descriptor, cString(name), value, value.length, 0), 'fsetxattr', name),
    setXattrAt: (directory, file, name, value) =>
      void check(xattrsAt.set(directory, file, name, value), 'setxattrat', name),
    removeXattr: (descriptor, name) =>
      void check(c.fremovexattr(descriptor, cString(name)), 'fremovexattr', name),
    getXattr: (descriptor, name) =>
      xattrValue(c.fgetxattr(descriptor, cString(name), scratchAddress, scratch.length), 'fgetxattr', name),
    listXattrs: (descriptor) =>
      xattrNames(c.flistxattr(descriptor, scratchAddress, scratch.length), 'flistxattr'),
    getXattrAt: (directory, file, name) =>
      xattrValue(xattrsAt.get(directory, file, name, scratchAddress, scratch.length), 'getxattrat', name),
    listXattrsAt(directory, file) {
      // The kernel allocates a buffer of the offered size; most files have no attributes.
      const length = xattrsAt.list(directory, file, scratchAddress, 0);
      if (length === 0) return [];
      const filled = length < 0 ? length : xattrsAt.list(directory, file, scratchAddress, scratch.length);
      return xattrNames(filled, 'listxattrat', file);
    },
    renameNew(fromDirectory, fromName, directory, name) {
      const [from, to] = [cString(fromName), cString(name)];
      if (c.renameat2(fromDirectory, from, directory, to, RENAME_NOREPLACE) === 0) return;
      const number = koffi.errno();
      if (number !== constants.errno.EINVAL && !isMissing(number)) fail('renameat2', name);
      // NFS, FUSE and others lack RENAME_NOREPLACE. renameat lets a directory replace only an empty directory.
      system.makeDirectory(directory, name, 0o700);
      try {
        renameTo(fromDirectory, fromName, directory, name);
      } catch (error) {
        if (isErrno(error, 'ENOTEMPTY')) throw new SystemError('EEXIST', 'renameat', name);
        c.unlinkat(directory, to, AT_REMOVEDIR);
        throw error;
      }
    },
    rename: renameTo,
    tryLock(descriptor) {
      const result = c.flock(descriptor, LOCK_EX | LOCK_NB);
      if (result < 0 && koffi.errno() === constants.errno.EWOULDBLOCK) return false;
      check(result, 'flock');
      return true;
    },
    syncFileSystem: (descriptor) => void check(c.syncfs(descriptor), 'syncfs'),
    async flushFileSystem(descriptor) {
      await checkLater(c.syncfs, [descriptor], 'syncfs');
    },
    startWriteback(descriptor, position, length) {
      const result = c.syncFileRange(descriptor, position, length, SYNC_FILE_RANGE_WRITE);
      if (result < 0 && !isMissing(koffi.errno())) fail('sync_file_range');
    },
    syncFile: (descriptor) => void check(c.fsync(descriptor), 'fsync'),
    syncDirectory: (descriptor) => void check(c.fsync(descriptor), 'fsync'),
    clock() {
      check(c.clockGettime(CLOCK_REALTIME, scratchAddress), 'clock_gettime');
      return { sec: signedWide(words, 0), nsec: words.getUint32(8, true) };
    },
    descriptorLimit() {
      check(c.getrlimit(RLIMIT_NOFILE, scratchAddress), 'getrlimit');
      return wide(words, 0); // rlim_cur of struct rlimit
    },
    clearThreadUmask() {
      // This thread gets its own working directory, root and umask; the rest of the process keeps its own.
      if (c.unshare(CLONE_FS) < 0) return false;
      c.umask(0);
      return true;
    },
  };
  return system;
}

/** Whether the kernel is older than the call, or a sandbox (seccomp) blocks it. */
function isMissing(errno: number): boolean {
  return errno === constants.errno.ENOSYS || errno === constants.errno.EPERM;
}

/** glibc's and musl's makedev. */
function makeDevice(major: number, minor: number): bigint {
  const [high, low] = [BigInt(major), BigInt(minor)];
  return (
    ((high & 0xfffff000n) << 32n) | ((high & 0xfffn) << 8n) | ((low & 0xffffff00n) << 12n) | (low & 0xffn)
  );
}

/** struct statx (Linux, include/uapi/linux/stat.h) is the same on every architecture; struct stat is not. */
function readStatx(words: DataView): Stat {
  return {
    nlink: words.getUint32(16, true),
    uid: words.getUint32(20, true),
    gid: words.getUint32(24, true),
    mode: words.getUint16(28, true),
    ino: wide(words, 32),
    size: wide(words, 40),
    blocks: wide(words, 48),
    atimeSec: signedWide(words, 64),
    atimeNsec: words.getUint32(72, true),
    mtimeSec: signedWide(words, 112),
    mtimeNsec: words.getUint32(120, true),
    rdevMajor: words.getUint32(128, true),
    rdevMinor: words.getUint32(132, true),
    devMajor: words.getUint32(136, true),
    devMinor: words.getUint32(140, true),
    isMountRoot: (words.getUint32(8, true) & STATX_ATTR_MOUNT_ROOT) !== 0,
  };
}

/** A 64-bit number, exact up to 2^53. A BigInt would cost more than the system call. */
function wide(words: DataView, at: number): number {
  return words.getUint32(at + 4, true) * 2 ** 32 + words.getUint32(at, true);
}

function signedWide(words: DataView, at: number): number {
  return words.getInt32(at + 4, true) * 2 ** 32 + words.getUint32(at, true);
}

/** struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name up to a NUL. */
function readDirents(bytes: Buffer, words: DataView, length: number, into: DirectoryEntry[]): void {
  for (let at = 0; at < length; at += words.getUint16(at + 16, true)) {
    const name = decodePath(bytes.subarray(at + 19, bytes.indexOf(0, at + 19)));
    if (name !== '.' && name !== '..') into.push({ name, ino: wide(words, at), type: bytes[at + 18]! });
  }
}
