import type { System, Times } from '../system/system.js';

/** The remaining work on a created regular file. It consists of numbers, so that another thread can do it. */
export interface FileTail {
  readonly descriptor: number;
  /** Offset of the content in the finisher's memory, if it is not yet written. */
  readonly start: number;
  readonly length: number;
  /** -1: the owner is already right. */
  readonly uid: number;
  readonly gid: number;
  /** -1: the mode is already right. */
  readonly mode: number;
  readonly times: Times;
  /** CRC-32 of the content that is already written; -1 when no checksum is needed. */
  readonly checksum: number;
  /** It certainly has no extended attributes. */
  readonly isPlain: boolean;
}

/**
 * Writes content, owner, mode and times, in the order in which no step changes an earlier one. Does not close the file.
 * After a failure it can be repeated.
 *
 * @param memory address of the finisher's memory
 */
export function finishFile(system: System, tail: FileTail, memory: number): void {
  const { descriptor, start, length, uid, gid, mode, times } = tail;
  if (length > 0) system.pwrite(descriptor, memory + start, length, 0);
  if (uid >= 0) system.chown(descriptor, uid, gid);
  if (mode >= 0) system.chmod(descriptor, mode);
  system.setTimes(descriptor, times);
}

/** Takes files of a writer, which any idle thread finishes. */
export interface FileFinisher {
  /** The memory that must contain their content. */
  readonly bytes: Uint8Array;
  /** Larger files are written by the writer. */
  readonly maxBytes: number;
  /** Keeps the memory from `start` on unchanged. */
  keep(start: number): void;
  /** Ends `keep`: no file needs the memory. */
  letGo(): void;
  /** Finishes and closes the file. The finisher owns the descriptor from now on, also after an error. */
  take(tail: FileTail, entry: { readonly path: string; readonly offset: number }): void;
  /** Waits until all taken files are finished. */
  finish(): void;
}
