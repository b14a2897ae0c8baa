import { chmodSync, statfsSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { dirname } from 'node:path';
import type { Database } from 'lmdb';
import { OverlayerError } from '../base/errors.js';
import { loadLmdb } from '../base/natives.js';
import { fromSystemError, toOverlayerError } from '../system/errno-code.js';
import { isReadOnly } from '../system/is-read-only.js';
import { openLinuxSystem } from '../system/linux.js';
import { type System, SystemError } from '../system/system.js';
import { findDamage } from './lmdb-file.js';
import type {
  Entry,
  Key,
  MetadataStore,
  ReadTransaction,
  Value,
  WriteTransaction,
} from './metadata-store.js';
import { reserveFirstPages, reserveLockFile, reserveSpare } from './reserve-space.js';

/** LMDB's errors for a damaged file: lmdb.h, MDB_PAGE_NOTFOUND, MDB_CORRUPTED, MDB_PANIC, MDB_VERSION_MISMATCH, MDB_INVALID. */
const DAMAGED = [-30797, -30796, -30795, -30794, -30793];
/** The environment has had a fatal error. */
const PANIC = -30795;
const { EACCES, EIO, ENOSPC } = os.errno;
/** A full disk has less free space than this; a failing disk has more. */
const FULL = 1 << 20;

/** Codes of lmdb for errors of system calls. */
const ERRNOS: ReadonlyMap<number | string | undefined, string> = new Map<number | string, string>([
  [EACCES, 'EACCES'],
  ['EACCES', 'EACCES'],
  [EIO, 'EIO'],
  [ENOSPC, 'ENOSPC'],
]);

/** lmdb's types require mutable keys. */
type LmdbKey = (string | number)[];

/**
 * A metadata store in one LMDB file (and `<path>-lock` beside it).
 *
 * @throws OverlayerError `DataLoss`: the file is damaged; `ResourceExhausted`: the disk is full and the file is new;
 * `PermissionDenied`
 */
export function openLmdbStore(path: string, system: System = openLinuxSystem()): MetadataStore {
  return asOverlayerErrors(path, () => {
    const open = shared.get(fileID(path));
    if (open !== undefined) return new LmdbStore(path, open);
    const damage = findDamage(path);
    if (damage !== undefined) throw damaged(path, damage);
    const readOnly = isReadOnly(dirname(path));
    if (!readOnly) {
      reserveLockFile(system, `${path}-lock`);
      reserveFirstPages(system, path);
    }
    const database = loadLmdb().open<Value, LmdbKey>({
      path,
      readOnly,
      noSubdir: true,
      encoding: 'json',
      // A transaction is on disk before it counts. Overlapping sync relies on detecting a power cut.
      overlappingSync: false,
      // Take the writer's lock only to write, and not in each turn of the event loop.
      eventTurnBatching: false,
      maxDbs: 1,
    });
    if (!readOnly) {
      chmodSync(path, 0o600);
      reserveSpare(system, path);
    }
    const environment = { database, readOnly, id: fileID(path), users: 0, turns: new WriteTurns() };
    shared.set(environment.id, environment);
    return new LmdbStore(path, environment);
  });
}

interface Environment {
  readonly database: Database<Value, LmdbKey>;
  /** Whether the file system is read-only. */
  readonly readOnly: boolean;
  readonly id: string;
  users: number;
  readonly turns: WriteTurns;
  /** Set after a fatal error. */
  failure?: OverlayerError | undefined;
}

/**
 * Lets lmdb have the writes of one turn of the event loop at a time. A write that is alone waits for nothing, and takes 102 µs
 * in place of 88 (in memory).
 */
class WriteTurns {
  #writes = 0;
  #isOpen = true;
  #waiting: (() => void)[] = [];
  readonly #close = () => {
    this.#isOpen = false;
  };

  /** @returns false when the writes before are on their way to the disk */
  tryEnter(): boolean {
    if (this.#writes === 0) {
      this.#isOpen = true;
      // lmdb begins in the same phase, and after it.
      setImmediate(this.#close);
    }
    if (this.#isOpen) this.#writes += 1;
    return this.#isOpen;
  }

  leave(): void {
    this.#writes -= 1;
    if (this.#writes > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  /** Resolves when all writes have left. */
  end(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}

/**
 * A process opens each file once (lmdb.h, "Do not have open an LMDB database twice in the same process"). A second open would
 * wait for the lock of a write that waits for this thread.
 */
const shared = new Map<string, Environment>();

function fileID(path: string): string {
  const { dev, ino } = statSync(path, { throwIfNoEntry: false }) ?? {};
  return `${dev}:${ino}`;
}

class LmdbStore implements MetadataStore {
  readonly #path: string;
  readonly #environment: Environment;
  readonly #database: Database<Value, LmdbKey>;
  readonly #pending = new Set<Promise<unknown>>();
  #closed: Promise<void> | undefined;

  constructor(path: string, environment: Environment) {
    this.#path = path;
    this.#environment = environment;
    this.#database = environment.database;
    environment.users += 1;
  }

  read<T>(use: (transaction: ReadTransaction) => T): T {
    this.#checkOpen();
    this.#checkWhole();
    return asOverlayerErrors(this.#path, () => {
      // Otherwise reads do not see writes of other processes since the start of this turn of the event loop.
      this.#database.resetReadTxn();
      const snapshot = this.#database.useReadTransaction();
      try {
        return use(new LmdbTransaction(this.#database, { transaction: snapshot }));
      } finally {
        snapshot.done();
      }
    });
  }

  async write<T>(change: (transaction: WriteTransaction) => T): Promise<T> {
    this.#checkOpen();
    if (this.#environment.readOnly) throw translate(this.#path, new SystemError('EROFS', 'open', this.#path));
    const written = this.#writeInTurn(change);
    this.#pending.add(written);
    try {
      return await written;
    } finally {
      this.#pending.delete(written);
    }
  }

  /**
   * Writes of one turn of the event loop share one write to the disk. Later ones wait for its end: lmdb never ends a write, nor
   * the process, when it gets the write after a fatal error.
   */
  async #writeInTurn<T>(change: (transaction: WriteTransaction) => T): Promise<T> {
    const { turns } = this.#environment;
    while (!turns.tryEnter()) await turns.end();
    try {
      this.#checkWhole();
      // Only a child transaction is rolled back when it throws.
      return await (this.#database.childTransaction(() =>
        change(new LmdbTransaction(this.#database, {})),
      ) as Promise<T>);
    } catch (error) {
      const cause = translate(this.#path, await causeOf(error));
      if (error instanceof Error && 'commitError' in error) this.#findFailure(cause);
      throw cause;
    } finally {
      turns.leave();
    }
  }

  /** LMDB takes nothing more after a refused write of the page that makes a transaction count. */
  #findFailure(cause: unknown): void {
    try {
      this.#database.resetReadTxn();
      this.#database.useReadTransaction().done();
    } catch (error) {
      if ((error as { readonly code?: unknown }).code !== PANIC) throw error;
      const { code, errno } = cause as OverlayerError;
      const message = `Cannot use the metadata store "${this.#path}" any more: the disk refused a write (${errno})`;
      const hint = 'open it again when the disk works: the state before that write is whole';
      this.#environment.failure = new OverlayerError(code, message, { hint, cause, errno });
    }
  }

  #checkWhole(): void {
    const { failure } = this.#environment;
    if (failure !== undefined) throw failure;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#pending);
    const { database, id } = this.#environment;
    this.#environment.users -= 1;
    if (this.#environment.users > 0) return;
    shared.delete(id);
    await database.close();
  }

  #checkOpen(): void {
    if (this.#closed)
      throw new OverlayerError('FailedPrecondition', `Metadata store "${this.#path}" is closed`);
  }
}

/** A read passes its transaction as an option of each call. Inside a write lmdb knows the transaction. */
class LmdbTransaction implements WriteTransaction {
  readonly #database: Database<Value, LmdbKey>;
  readonly #within: { readonly transaction?: ReturnType<Database['useReadTransaction']> };

  constructor(
    database: Database<Value, LmdbKey>,
    within: { readonly transaction?: ReturnType<Database['useReadTransaction']> },
  ) {
    this.#database = database;
    this.#within = within;
  }

  get(key: Key): Value | undefined {
    return this.#database.get(key as LmdbKey, this.#within);
  }

  *entries(prefix: Key, after: Key = prefix): Generator<Entry> {
    for (const { key, value } of this.#database.getRange({ start: after as LmdbKey, ...this.#within })) {
      // lmdb returns a key with a single part without an array.
      const parts: Key = Array.isArray(key) ? key : [key];
      if (!beginsWith(parts, prefix)) return;
      if (parts.length !== after.length || !beginsWith(parts, after)) yield { key: parts, value };
    }
  }

  put(key: Key, value: Value): void {
    void this.#database.put(key as LmdbKey, value);
  }

  delete(key: Key): void {
    void this.#database.remove(key as LmdbKey);
  }
}

function beginsWith(key: Key, prefix: Key): boolean {
  return prefix.every((part, index) => part === key[index]);
}

function asOverlayerErrors<T>(path: string, use: () => T): T {
  try {
    return use();
  } catch (error) {
    throw translate(path, error);
  }
}

/** lmdb reports the cause of a failed commit by a second promise. Its rejection must be handled, or it ends the process. */
async function causeOf(error: unknown): Promise<unknown> {
  const { commitError } = error as { readonly commitError?: Promise<never> };
  return commitError === undefined ? error : await commitError.catch((cause: unknown) => cause);
}

function translate(path: string, error: unknown): unknown {
  if (OverlayerError.is(error)) return error;
  const what = `Cannot use the metadata store "${path}"`;
  if (error instanceof Error && 'syscall' in error) return toOverlayerError(error, what);
  if (error instanceof SyntaxError) return damaged(path, 'a record is not readable', error);
  const { code, message } = error as { readonly code?: number | string; readonly message: string };
  if (typeof code === 'number' && DAMAGED.includes(code)) return damaged(path, message, error);
  const errno = code === EIO && isFull(path) ? 'ENOSPC' : ERRNOS.get(code);
  if (errno !== undefined) return fromSystemError(new SystemError(errno, 'lmdb', path), what);
  return code === undefined ? error : new OverlayerError('Internal', `${what}: ${message}`, { cause: error });
}

/** LMDB reports a short write as an input/output error. */
function isFull(path: string): boolean {
  const { bavail, bsize } = statfsSync(dirname(path));
  return bavail * bsize < FULL;
}

function damaged(path: string, what: string, cause?: unknown): OverlayerError {
  return new OverlayerError('DataLoss', `Metadata store "${path}" is damaged: ${what}`, {
    hint: 'overlayer snapshots check --rebuild recovers what the directories show',
    cause,
  });
}
