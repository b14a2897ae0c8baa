import { channel } from 'node:diagnostics_channel';
import { readFileSync, statSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import type { AbortableOptions } from '../base/abort.js';
import { OverlayerError } from '../base/errors.js';

/** The pause between two attempts. */
const PAUSE_MS = 10;
/** Waits of this length are normal while other processes work. */
const TELL_AFTER_MS = 1000;

/** A message of the channel `overlayer:lock-wait` (node:diagnostics_channel). */
export interface LockWait {
  /** The directory whose lock (flock) is waited for. */
  readonly path: string;
  /** The process that has the lock, for a sentence: `process 17 (node)`. */
  readonly holder: string;
}

/** Gets a `LockWait` when a wait for another process has lasted a second. The command line prints it. */
const WAITS = channel('overlayer:lock-wait');

export interface WaitForLockOptions extends AbortableOptions {
  /** The directory that is locked. */
  readonly path: string;
  /** @default no limit: the holder may work as long as an unpack takes */
  readonly limitMs?: number | undefined;
}

/**
 * Waits for a lock of a directory (flock). It polls, because an abort could not wake a thread that sleeps in flock(2).
 *
 * @param take one attempt; undefined when another descriptor has the lock
 * @throws what `take` throws; `signal.reason`; OverlayerError `Unavailable` after `limitMs`
 */
export async function waitForLock<T>(
  take: () => T | undefined,
  { path, limitMs = Infinity, signal }: WaitForLockOptions,
): Promise<T> {
  const start = performance.now();
  for (let isTold = false; ; ) {
    signal?.throwIfAborted();
    const lock = take();
    if (lock !== undefined) return lock;
    const waited = performance.now() - start;
    if (waited >= limitMs) throw stillLocked(path, limitMs);
    if (!isTold && waited >= TELL_AFTER_MS) {
      isTold = true;
      const pid = findHolder(path);
      // Tasks of one process wait for each other in the ordinary course of work.
      if (pid !== process.pid) WAITS.publish({ path, holder: describe(pid) } satisfies LockWait);
    }
    await setTimeout(PAUSE_MS, undefined, { signal }).catch(() => {});
  }
}

function stillLocked(path: string, limitMs: number): OverlayerError {
  const holder = describe(findHolder(path));
  return new OverlayerError(
    'Unavailable',
    `Cannot lock "${path}" within ${limitMs / 1000} s: ${holder} has the lock`,
    { hint: 'let that process go on, or end it' },
  );
}

/** @returns undefined without /proc, and on file systems whose inodes have other numbers in the kernel (overlayfs) */
function findHolder(path: string): number | undefined {
  try {
    const { dev, ino } = statSync(path, { bigint: true });
    const hex = (number: bigint) => number.toString(16).padStart(2, '0');
    const device = `${hex(((dev >> 32n) & ~0xfffn) | ((dev >> 8n) & 0xfffn))}:${hex(((dev >> 12n) & ~0xffn) | (dev & 0xffn))}`;
    const line = new RegExp(`^\\d+: FLOCK +ADVISORY +WRITE (\\d+) ${device}:${ino} `, 'm');
    const [, pid] = line.exec(readFileSync('/proc/locks', 'latin1')) ?? [];
    return pid === undefined ? undefined : Number(pid);
  } catch {
    return undefined;
  }
}

function describe(pid: number | undefined): string {
  if (pid === undefined) return 'another process';
  if (pid === process.pid) return `this process (${pid})`;
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const [, name] = /^Name:\t(.*)$/m.exec(status) ?? [];
    return `process ${pid} (${name})${/^State:\t[Tt] /m.test(status) ? ', which is stopped,' : ''}`;
  } catch {
    return `process ${pid}`; // it is in another PID namespace, or has ended
  }
}
