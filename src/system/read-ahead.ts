import { type ForeignFunction, loadLibc } from './libc.js';

const POSIX_FADV_WILLNEED = 3;
/** The kernel's default for read_ahead_kb. It may ignore the rest of a longer call. */
const CALL_BYTES = 128 * 1024;

/** Starts to read a range of a file into the page cache, and does not wait for it. It is advice: nothing fails. */
export function readAhead(descriptor: number, start: number, end: number): void {
  const advise = loadLibc().func('int posix_fadvise(int, int64_t, int64_t, int)') as ForeignFunction;
  for (let at = start; at < end; at += CALL_BYTES)
    advise(descriptor, at, Math.min(CALL_BYTES, end - at), POSIX_FADV_WILLNEED);
}
