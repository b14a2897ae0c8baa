import { readOwnProc } from '../system/own-proc.js';
import type { Stat } from '../system/system.js';

const OWNER_ALL = 0o700;

/** Who we are to the file system, and what may be left out for it. */
export interface Identity {
  readonly uid: number;
  readonly gid: number;
  /** What only root may do (owners, devices, some attributes) is left out and reported, not an error. */
  readonly rootless: boolean;
  /** Nobody keeps us from giving files to any owner. In a user namespace, owners without an id there are refused. */
  readonly isRoot: boolean;
}

/** @param rootless @default unless root of the initial user namespace: no other may make devices */
export function resolveIdentity(rootless: boolean | undefined): Identity {
  const isRoot = isRealRoot();
  return { uid: process.geteuid!(), gid: process.getegid!(), rootless: rootless ?? !isRoot, isRoot };
}

function isRealRoot(): boolean {
  if (process.geteuid!() !== 0) return false;
  const map = readOwnProc('uid_map');
  // Without /proc it can't be told: whoever is not will be refused, and can say so.
  return map === undefined || /^\s*0\s+0\s+4294967295\s*$/.test(map);
}

/** Whether a directory refuses its own owner, who is not root. */
export function isShut({ mode, uid }: Stat, ownUid: number): boolean {
  return ownUid !== 0 && uid === ownUid && (mode & OWNER_ALL) !== OWNER_ALL;
}
