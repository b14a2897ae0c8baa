import { readOwnProc } from '../system/own-proc.js';
import type { Stat } from '../system/system.js';

const OWNER_ALL = 0o700;

/** The ids of this process, and what it may skip without privileges. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** Owners, devices and attributes that need root are skipped and reported, instead of failing. */
  readonly rootless: boolean;
  /** Root of the initial user namespace, which may set any owner. A user namespace refuses owners that it does not map. */
  readonly isRoot: boolean;
}

/** @param rootless @default true unless root of the initial user namespace, since only that may make devices */
export function resolveIdentity(rootless: boolean | undefined): Identity {
  const isRoot = isRealRoot();
  return { uid: process.geteuid!(), gid: process.getegid!(), rootless: rootless ?? !isRoot, isRoot };
}

/** It never changes: a process with several threads cannot enter another user namespace. */
let uidMap: string | undefined;

function isRealRoot(): boolean {
  if (process.geteuid!() !== 0) return false;
  uidMap ??= readOwnProc('uid_map');
  // The map is unknown without /proc. A user who is not root gets an error then, and can set `rootless`.
  return uidMap === undefined || /^\s*0\s+0\s+4294967295\s*$/.test(uidMap);
}

/** Whether the mode of a directory denies access to its owner, who is not root. */
export function isShut({ mode, uid }: Stat, ownUid: number): boolean {
  return ownUid !== 0 && uid === ownUid && (mode & OWNER_ALL) !== OWNER_ALL;
}
