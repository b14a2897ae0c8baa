import { openSync, realpathSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import type { LibraryHandle } from 'koffi';
import { loadKoffi } from '../base/natives.js';
import { encodePath } from '../base/path-bytes.js';
import { check, checkLater, cString, type ForeignFunction, loadLibc } from './libc.js';
import { openLinuxSystem } from './linux.js';
import { type IdMap, type LoopDevice, MOUNT_ATTRIBUTE, type MountSystem, MS } from './mount-system.js';
import { AT_FDCWD, asSystemError, isErrno, O, SystemError } from './system.js';

/** The numbers are the same on every architecture. */
const SYS = {
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  mount_setattr: 442,
} as const;
const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;
const FSOPEN_CLOEXEC = 1;
const FSMOUNT_CLOEXEC = 1;
const OPEN_TREE_CLONE = 1;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const MOVE_MOUNT_F_EMPTY_PATH = 0x04;
const MOVE_MOUNT_T_EMPTY_PATH = 0x40;
const MNT_DETACH = 2;
const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const SEEK_END = 2;
/** mount(2) takes a page of options, and silently leaves out the rest; pages are this large or larger. */
const DATA_BYTES = 4096;
/** A record of /dev/kmsg is at most this long (Linux, kernel/printk). */
const MESSAGE_BYTES = 8192;

export function openLinuxMountSystem(): MountSystem {
  const { openAt, openInRoot, close } = openLinuxSystem();
  const libc = loadLibc();
  const fn = (signature: string) => libc.func(signature) as ForeignFunction;
  const c = {
    fsopen: fn('int64_t syscall(int64_t, const char *, uint32_t)'),
    fsconfig: fn('int64_t syscall(int64_t, int, uint32_t, const char *, const char *, int)'),
    fsmount: fn('int64_t syscall(int64_t, int, uint32_t, uint32_t)'),
    openTree: fn('int64_t syscall(int64_t, int, const char *, uint32_t)'),
    moveMount: fn('int64_t syscall(int64_t, int, const char *, int, const char *, uint32_t)'),
    mountSetattr: fn('int64_t syscall(int64_t, int, const char *, uint32_t, const void *, uint64_t)'),
    mount: fn('int mount(const char *, const char *, const char *, uint64_t, const char *)'),
    umount2: fn('int umount2(const char *, int)'),
    unshare: fn('int unshare(int)'),
    chdir: fn('int chdir(const char *)'),
    lseek: fn('int64_t lseek(int, int64_t, int)'),
    read: fn('int64_t read(int, void *, uint64_t)'),
  };

  const configure = (fileSystem: number, command: number, key: string | null, value: string | null) => {
    const bytes = value === null ? null : cString(value);
    const what = [key, value].filter((part) => part !== null).join('=');
    check(c.fsconfig(SYS.fsconfig, fileSystem, command, key, bytes, 0), 'fsconfig', what);
  };

  /** Reads all pending messages of a descriptor with one message per read. */
  const readMessages = (descriptor: number): string[] => {
    const message = Buffer.alloc(MESSAGE_BYTES);
    const messages: string[] = [];
    for (;;) {
      const length = c.read(descriptor, message, message.length);
      if (length <= 0) return messages;
      messages.push(message.toString('utf8', 0, length).trimEnd());
    }
  };

  return {
    openAt,
    openInRoot,
    close,
    openFileSystem: (type) => check(c.fsopen(SYS.fsopen, cString(type), FSOPEN_CLOEXEC), 'fsopen', type),
    setParameter: (fileSystem, key, value) =>
      configure(
        fileSystem,
        value === undefined ? FSCONFIG.SET_FLAG : FSCONFIG.SET_STRING,
        key,
        value ?? null,
      ),
    createFileSystem: (fileSystem) => configure(fileSystem, FSCONFIG.CMD_CREATE, null, null),
    // A message begins with its level and a space: "e overlay: …".
    messages: (fileSystem) => readMessages(fileSystem).map((message) => message.slice(2)),
    makeTree: (fileSystem, attributes) =>
      check(c.fsmount(SYS.fsmount, fileSystem, FSMOUNT_CLOEXEC, attributes), 'fsmount'),
    cloneTree(path, { recursive }) {
      const flags = OPEN_TREE_CLONE | O.CLOEXEC | (recursive ? AT_RECURSIVE : 0);
      return check(c.openTree(SYS.open_tree, AT_FDCWD, cString(path), flags), 'open_tree', path);
    },
    changeMount(tree, change, { recursive }) {
      const attributes = new BigUint64Array(4); // struct mount_attr
      attributes[0] = BigInt(
        (change.set ?? 0) | (change.userNamespace === undefined ? 0 : MOUNT_ATTRIBUTE.IDMAP),
      );
      attributes[1] = BigInt(change.clear ?? 0);
      attributes[2] = BigInt(change.private ? MS.PRIVATE : 0);
      attributes[3] = BigInt(change.userNamespace ?? 0);
      const flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
      check(
        c.mountSetattr(SYS.mount_setattr, tree, '', flags, attributes, attributes.byteLength),
        'mount_setattr',
      );
    },
    attach: (tree, target) =>
      void check(
        c.moveMount(SYS.move_mount, tree, '', target, '', MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        'move_mount',
      ),
    mount({ source, target, type, flags, data }) {
      const bytes = Buffer.concat([encodePath(data), Buffer.of(0)]);
      if (bytes.length > DATA_BYTES) throw new SystemError('E2BIG', 'mount', target);
      check(c.mount(cString(source), cString(target), cString(type), flags, bytes), 'mount', target);
    },
    async unmount(path, { lazy }) {
      await checkLater(c.umount2, [cString(path), lazy ? MNT_DETACH : 0], 'umount2', path);
    },
    takesDetachedLayers() {
      const [major = 0, minor = 0] = release().split('.').map(Number);
      return major > 6 || (major === 6 && minor >= 15);
    },
    openLoopDevice: (file) => openLoopDevice(libc, file),
    makeUserNamespace: (map) => makeUserNamespace(libc, map),
    enterMountNamespace() {
      check(c.unshare(CLONE_NEWNS), 'unshare');
      // Otherwise mounts would propagate to the other namespaces.
      check(c.mount('', '/', '', MS.PRIVATE | MS.REC, Buffer.of(0)), 'mount', '/');
    },
    enterDirectory(path) {
      check(c.unshare(CLONE_FS), 'unshare');
      check(c.chdir(cString(path)), 'chdir', path);
    },
    followLog() {
      let descriptor: number;
      try {
        descriptor = openAt(AT_FDCWD, '/dev/kmsg', O.RDONLY | O.NONBLOCK, 0);
      } catch {
        return undefined; // the log is only for hints in errors
      }
      c.lseek(descriptor, 0, SEEK_END);
      // A record is "6,339,5140900,-;text", followed by lines with details.
      const text = (record: string) => record.slice(record.indexOf(';') + 1).split('\n', 1)[0]!;
      return { read: () => readMessages(descriptor).map(text), close: () => close(descriptor) };
    },
  };
}

/** Linux, include/uapi/linux/loop.h. */
const LOOP_CONTROL = '/dev/loop-control';
const LOOP_CTL_GET_FREE = 0x4c82;
const LOOP_CONFIGURE = 0x4c0a;
const LO_FLAGS = { READ_ONLY: 1, AUTOCLEAR: 4 } as const;
/** EROFS files may have blocks this small. */
const LOOP_BLOCK_BYTES = 512;
/** Other processes may take the free device that the kernel has named. */
const LOOP_ATTEMPTS = 100;

/** The kernel reads the file through the page cache: direct I/O needs aligned files, and is off by default. */
function openLoopDevice(libc: LibraryHandle, file: string): LoopDevice {
  const { openAt, close } = openLinuxSystem();
  const ioctl = libc.func('int ioctl(int, uint64_t, const void *)') as (...args: unknown[]) => number;
  const opened: number[] = [];
  const open = (path: string): number => {
    const descriptor = openAt(AT_FDCWD, path, O.RDONLY, 0);
    opened.push(descriptor);
    return descriptor;
  };
  try {
    const config = new Uint32Array(76); // struct loop_config; lo_flags of its struct loop_info64 is at byte 60
    config[0] = open(realPath(file));
    config[1] = LOOP_BLOCK_BYTES;
    config[15] = LO_FLAGS.READ_ONLY | LO_FLAGS.AUTOCLEAR;
    const control = open(LOOP_CONTROL);
    for (let attempt = 1; ; attempt++)
      try {
        const path = `/dev/loop${check(ioctl(control, LOOP_CTL_GET_FREE, null), 'ioctl', LOOP_CONTROL)}`;
        const device = open(path);
        check(ioctl(device, LOOP_CONFIGURE, config), 'ioctl', path);
        opened.pop();
        return { descriptor: device, path };
      } catch (error) {
        if (!isErrno(error, 'EBUSY') || attempt === LOOP_ATTEMPTS) throw error;
      }
  } finally {
    for (const descriptor of opened) close(descriptor);
  }
}

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_NEWUSER = 0x10000000;
/** Waits also for a child without an exit signal. */
const __WALL = 0x40000000;
const STACK_BYTES = 64 * 1024;

/**
 * Makes a user namespace and returns a descriptor of it. A process with several threads can't enter a namespace, so a
 * child process makes it. The child shares this thread's memory (as in vfork) and only calls `_exit`. As a zombie it
 * still has the namespace, until the mappings are written and the descriptor is open. It sends no SIGCHLD and is waited
 * for by its id, so that other code of this process does not notice it.
 */
function makeUserNamespace(libc: LibraryHandle, { uids, gids }: IdMap): number {
  const clone = libc.func('int clone(void *, uint64_t, int, uint64_t)') as (...args: unknown[]) => number;
  const waitpid = libc.func('int waitpid(int, uint64_t, int)') as (...args: unknown[]) => number;
  const stack = Buffer.alloc(STACK_BYTES);
  const top = Number(loadKoffi().address(stack)) + stack.length;
  const child = check(
    clone(libc.symbol('_exit'), top, CLONE_VM | CLONE_VFORK | CLONE_NEWUSER, 0),
    'clone',
    'user namespace',
  );
  try {
    writeFileSync(`/proc/${child}/uid_map`, uids);
    writeFileSync(`/proc/${child}/gid_map`, gids);
    return openSync(`/proc/${child}/ns/user`, 'r');
  } catch (error) {
    throw asSystemError(error, 'user namespace');
  } finally {
    waitpid(child, 0, __WALL);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw asSystemError(error, path);
  }
}
