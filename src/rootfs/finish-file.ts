import type { System, Times } from '../system/system.js';

/** What is left to do on a regular file that has its name: numbers only, so that another thread can do it. */
export interface FileTail {
  readonly descriptor: number;
  /** The whole content, where it is still to be written: `length` bytes of memory at `address`. */
  readonly address: number;
  readonly length: number;
  /** -1: it has the right owner. */
  readonly uid: number;
  readonly gid: number;
  /** -1: it has the right mode. */
  readonly mode: number;
  readonly times: Times;
}

/** All but closing it, in the order that keeps each: content, owner, mode, times. Can be done again after a failure. */
export function finishFile(system: System, tail: FileTail): void {
  const { descriptor, address, length, uid, gid, mode, times } = tail;
  if (length > 0) system.pwrite(descriptor, address, length, 0);
  if (uid >= 0) system.chown(descriptor, uid, gid);
  if (mode >= 0) system.chmod(descriptor, mode);
  system.setTimes(descriptor, times);
}

/** Takes files off a writer's hands, to be finished by whichever thread has the time. */
export interface FileFinisher {
  /** The memory their content has to stand in. */
  readonly bytes: Uint8Array;
  /** Larger ones are written as they come. */
  readonly maxBytes: number;
  /** What stands at `start` and behind it has to stay. */
  keep(start: number): void;
  /** No file needs it any more. */
  letGo(): void;
  /** To finish and close. @returns false when there is no place: do it yourself */
  take(tail: FileTail, entry: { readonly path: string; readonly offset: number }): boolean;
}
