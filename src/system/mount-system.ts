import type { System } from './system.js';

/**
 * The system calls for mounts. `mount` is mount(2). The others belong to the newer interface (Linux 5.2, `changeMount`
 * 5.12), which makes a detached mount first and attaches it when it is complete.
 *
 * A "tree" is the descriptor of a detached mount. Every call throws `SystemError`.
 */
export interface MountSystem extends Pick<System, 'openAt' | 'openInRoot' | 'close'> {
  /** fsopen(2). @returns a descriptor that takes parameters */
  openFileSystem(type: string): number;
  /** fsconfig(2): sets a parameter of the file system. Without a value it is a flag. A value has at most 255 bytes. */
  setParameter(fileSystem: number, key: string, value?: string | undefined): void;
  createFileSystem(fileSystem: number): void;
  /** The kernel's messages about parameters of a file system since the last call. */
  messages(fileSystem: number): string[];
  /** fsmount(2). @returns a tree */
  makeTree(fileSystem: number, attributes: number): number;
  /** open_tree(2): clones the mount at `path`. */
  cloneTree(path: string, options: { readonly recursive: boolean }): number;
  /** mount_setattr(2) */
  changeMount(tree: number, change: MountChange, options: { readonly recursive: boolean }): void;
  /** move_mount(2) onto the directory or file of the descriptor `target`. */
  attach(tree: number, target: number): void;
  /** mount(2). Fails with `E2BIG` when `data` is so long that the kernel would truncate it. */
  mount(call: MountCall): void;
  /** umount2(2) in another thread, because it waits for unwritten data. */
  unmount(path: string, options: { readonly lazy: boolean }): Promise<void>;
  /** Whether overlayfs takes mounts as layers that are attached nowhere (Linux 6.15). */
  takesDetachedLayers(): boolean;
  /** Makes a user namespace with these mappings and without processes. @returns its descriptor */
  makeUserNamespace(map: IdMap): number;
  /**
   * Makes a read-only loop device of a file. It goes when its descriptor is closed and it is not mounted.
   */
  openLoopDevice(file: string): LoopDevice;
  /** Gives only this thread a mount namespace of its own. Its later mounts end with the thread. */
  enterMountNamespace(): void;
  /** Gives only this thread a working directory of its own. */
  enterDirectory(path: string): void;
  /** Follows the kernel's log from now on. @returns undefined without the permission to read it */
  followLog(): KernelLog | undefined;
}

interface MountChange {
  /** `MOUNT_ATTRIBUTE` bits. */
  readonly set?: number;
  readonly clear?: number;
  /** Stops the propagation of mounts in both directions (MS_PRIVATE). */
  readonly private?: boolean;
  /** Descriptor of the user namespace that maps the owners of files. */
  readonly userNamespace?: number;
}

export interface MountCall {
  readonly source: string;
  readonly target: string;
  readonly type: string;
  /** `MS` bits. */
  readonly flags: number;
  readonly data: string;
}

/** The text for /proc/PID/uid_map and gid_map: lines of "inside outside length". */
export interface IdMap {
  readonly uids: string;
  readonly gids: string;
}

export interface LoopDevice {
  readonly descriptor: number;
  /** `/dev/loop0` */
  readonly path: string;
}

interface KernelLog {
  /** The new lines since the last call. */
  read(): string[];
  close(): void;
}

/** Linux, include/uapi/linux/mount.h. */
export const MOUNT_ATTRIBUTE = {
  RDONLY: 0x01,
  NOSUID: 0x02,
  NODEV: 0x04,
  NOEXEC: 0x08,
  /** The bits that hold one of the next two, or none for relatime. */
  ATIME: 0x70,
  NOATIME: 0x10,
  STRICTATIME: 0x20,
  NODIRATIME: 0x80,
  IDMAP: 0x100000,
} as const;

export const MS = {
  RDONLY: 1,
  NOSUID: 2,
  NODEV: 4,
  NOEXEC: 8,
  SYNCHRONOUS: 16,
  REMOUNT: 32,
  MANDLOCK: 64,
  DIRSYNC: 128,
  NOATIME: 1024,
  NODIRATIME: 2048,
  BIND: 4096,
  REC: 16384,
  PRIVATE: 1 << 18,
  RELATIME: 1 << 21,
  STRICTATIME: 1 << 24,
} as const;
