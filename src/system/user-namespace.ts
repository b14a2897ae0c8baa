import { openSync, writeFileSync } from 'node:fs';
import type { LibraryHandle } from 'koffi';
import { loadKoffi } from '../base/natives.js';
import { check } from './libc.js';
import type { IdMap } from './mount-system.js';
import { asSystemError } from './system.js';

const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const CLONE_NEWUSER = 0x10000000;
/** Also for a child that tells its parent nothing when it ends. */
const __WALL = 0x40000000;
const STACK_BYTES = 64 * 1024;

/**
 * A user namespace comes into being with a process, and no process of several threads can enter one. So a child is
 * made that borrows this thread's memory (as in vfork) and does nothing but call `_exit`: it stays as a zombie,
 * which has the namespace still, until its mappings are written and the namespace is held by a descriptor.
 * It sends no SIGCHLD and is waited for by its id, so that no other code of this process gets to know of it.
 */
export function makeUserNamespace(libc: LibraryHandle, { uids, gids }: IdMap): number {
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
