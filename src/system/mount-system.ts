import type { System } from './system.js';

/**
 * The part of the seam to the kernel that mounts. `mount` is mount(2); the others are the calls that came after
 * it (Linux 5.2, `changeMount` 5.12): a mount is made out of sight, and attached once it is as it should be.
 *
 * What is called a tree here is the descriptor of such a mount. Every call throws `SystemError`.
 */
export interface MountSystem extends Pick<System, 'openAt' | 'openInRoot' | 'close'> {
  /** fsopen(2). @returns a descriptor that takes parameters */
  openFileSystem(type: string): number;
  /** A parameter of the file system; without a value, a flag. The kernel takes values of up to 255 bytes. */
  setParameter(fileSystem: number, key: string, value?: string | undefined): void;
  createFileSystem(fileSystem: number): void;
  /** What the kernel has to say about a file system's parameters, since it was last asked. */
  messages(fileSystem: number): string[];
  /** fsmount(2). @returns a tree */
  makeTree(fileSystem: number, attributes: number): number;
  /** open_tree(2): what is seen at `path`, once more. */
  cloneTree(path: string, options: { readonly recursive: boolean }): number;
  /** mount_setattr(2) */
  changeMount(tree: number, change: MountChange, options: { readonly recursive: boolean }): void;
  /** move_mount(2), onto what the descriptor `target` leads to. */
  attach(tree: number, target: number): void;
  /** mount(2). `E2BIG` for `data` that it would cut off. */
  mount(call: MountCall): void;
  /** umount2(2), away from the event loop: it waits for what is not written yet. */
  unmount(path: string, options: { readonly lazy: boolean }): Promise<void>;
  /** A descriptor of a user namespace with these mappings, in which no process lives. */
  makeUserNamespace(map: IdMap): number;
  /** Gives this thread, and only it, a mount namespace of its own: what it mounts from now on goes with it. */
  enterMountNamespace(): void;
  /** Gives this thread, and only it, a working directory of its own. */
  enterDirectory(path: string): void;
  /** The kernel's log from now on. Undefined for those who may not read it. */
  followLog(): KernelLog | undefined;
}

interface MountChange {
  /** `MOUNT_ATTRIBUTE` bits. */
  readonly set?: number;
  readonly clear?: number;
  /** Nothing that is mounted or unmounted there shows anywhere else, or the other way round. */
  readonly private?: boolean;
  /** Whose mappings the owners of files go through. */
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

/** As text for /proc/PID/uid_map and gid_map: lines of "inside outside length". */
export interface IdMap {
  readonly uids: string;
  readonly gids: string;
}

interface KernelLog {
  /** The lines that are new. */
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
