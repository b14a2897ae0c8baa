import { constants } from 'node:os';
import { getSystemErrorName } from 'node:util';
import { type Crc32, openCrc32 } from '../../compression/crc32.js';
import { type FileTail, finishFile } from '../../rootfs/finish-file.js';
import { type System, SystemError } from '../../system/system.js';
import { FACT, FACTS, type FileFactsLog } from '../manifest/file-facts.js';

/** Files that can wait at once: few enough for any limit of descriptors, enough to keep two threads busy. */
export const SLOTS = 128;

/**
 * The queue's words: the numbers of the next file to add and of the next to finish, whether the apply thread waits for a
 * file, then the state of each slot.
 */
const QUEUE = { tail: 0, head: 1, isAwaited: 2, states: 3 } as const;

/** Index of the first fact in a slot. */
const FACTS_START = 3;

/**
 * The numbers of a slot. They describe a file that has to be finished (`FileTail`). Finishing replaces those from
 * `facts` on by a row of `FileFacts`; what both have is at the same index.
 */
const SLOT = {
  descriptor: 0,
  start: 1,
  length: 2,
  facts: FACTS_START,
  uid: FACTS_START + FACT.uid,
  gid: FACTS_START + FACT.gid,
  mode: FACTS_START + FACT.mode,
  mtimeSec: FACTS_START + FACT.mtimeSec,
  mtimeNsec: FACTS_START + FACT.mtimeNsec,
  atimeSec: FACTS_START + FACT.size,
  atimeNsec: FACTS_START + FACT.blocks,
  checksum: FACTS_START + FACT.checksum,
  isPlain: FACTS_START + FACTS,
} as const;
/** How many numbers a slot has. */
const SLOT_NUMBERS: number = SLOT.isPlain + 1;

export const FILE_QUEUE_WORDS: number = QUEUE.states + SLOTS;
export const FILE_QUEUE_BYTES: number = SLOTS * SLOT_NUMBERS * Float64Array.BYTES_PER_ELEMENT;

/** Finishing a file takes 7 µs, and a wait takes 50. */
const SPINS = 200;

const WAITING = 0;
const DONE = 1;
const FAILED = 2;
/** The file is closed, and the close reported a write error, as NFS does. */
const CLOSED = 3;

/**
 * Small files that are created and not finished. The apply thread creates them in the archive's order. Content,
 * owner, mode and times do not depend on the order: either thread sets them when it has time, from the bytes in the
 * ring. Creating takes about half of a small file's time.
 */
export class FileQueue {
  readonly #control: Int32Array;
  readonly #slots: Float64Array;
  readonly #system: System;
  readonly #crc32: Crc32 = openCrc32();
  readonly #bytes: Uint8Array;
  readonly #address: number;

  /** @param bytes memory of the ring that has the files' content */
  constructor(
    memory: { readonly control: Int32Array; readonly slots: Float64Array },
    system: System,
    bytes: Uint8Array,
  ) {
    this.#control = memory.control;
    this.#slots = memory.slots;
    this.#system = system;
    this.#bytes = bytes;
    this.#address = system.address(bytes);
  }

  /** Finishes one file. @returns false when none waits */
  work(): boolean {
    const slot = this.#claim();
    if (slot < 0) return false;
    const word = QUEUE.states + slot;
    Atomics.store(this.#control, word, this.#finish(slot));
    if (Atomics.load(this.#control, QUEUE.isAwaited) !== 0) Atomics.notify(this.#control, word);
    return true;
  }

  #finish(slot: number): number {
    const tail = this.#read(slot);
    let state = FAILED; // the apply thread tries again: it knows the entry for the error
    try {
      this.#complete(slot, tail);
      state = CLOSED;
      this.#system.close(tail.descriptor);
      return DONE;
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      if (state === CLOSED)
        this.#slots[slot * SLOT_NUMBERS + SLOT.descriptor] =
          constants.errno[error.errno as keyof typeof constants.errno];
      return state;
    }
  }

  /** Sets the facts last: after a failure the slot still describes the file. */
  #complete(slot: number, tail: FileTail): void {
    finishFile(this.#system, tail, this.#address);
    if (tail.checksum < 0) return;
    const { start, length, checksum, isPlain } = tail;
    const stat = this.#system.stat(tail.descriptor);
    const slots = this.#slots;
    const at = slot * SLOT_NUMBERS + SLOT.facts;
    slots[at + FACT.uid] = stat.uid;
    slots[at + FACT.gid] = stat.gid;
    slots[at + FACT.mode] = isPlain ? stat.mode : -1;
    slots[at + FACT.mtimeSec] = stat.mtimeSec;
    slots[at + FACT.mtimeNsec] = stat.mtimeNsec;
    slots[at + FACT.size] = stat.size;
    slots[at + FACT.blocks] = stat.blocks;
    slots[at + FACT.inode] = stat.ino;
    if (length > 0) slots[at + FACT.checksum] = this.#crc32(checksum, this.#bytes, start, start + length);
  }

  /** Takes the next file. @returns -1 when none waits */
  #claim(): number {
    for (;;) {
      const head = Atomics.load(this.#control, QUEUE.head);
      if (head === Atomics.load(this.#control, QUEUE.tail)) return -1;
      if (Atomics.compareExchange(this.#control, QUEUE.head, head, (head + 1) | 0) === head)
        return head & (SLOTS - 1);
    }
  }

  get waiting(): number {
    return (Atomics.load(this.#control, QUEUE.tail) - Atomics.load(this.#control, QUEUE.head)) | 0;
  }

  /** Closes a file that is not added. */
  drop({ descriptor }: FileTail): void {
    this.#system.close(descriptor);
  }

  /** Adds a file. Called by the apply thread only. */
  put(number: number, tail: FileTail): void {
    const slot = number & (SLOTS - 1);
    const slots = this.#slots;
    const at = slot * SLOT_NUMBERS;
    slots[at + SLOT.descriptor] = tail.descriptor;
    slots[at + SLOT.start] = tail.start;
    slots[at + SLOT.length] = tail.length;
    slots[at + SLOT.uid] = tail.uid;
    slots[at + SLOT.gid] = tail.gid;
    slots[at + SLOT.mode] = tail.mode;
    slots[at + SLOT.mtimeSec] = tail.times.mtimeSec;
    slots[at + SLOT.mtimeNsec] = tail.times.mtimeNsec;
    slots[at + SLOT.atimeSec] = tail.times.atimeSec;
    slots[at + SLOT.atimeNsec] = tail.times.atimeNsec;
    slots[at + SLOT.checksum] = tail.checksum;
    slots[at + SLOT.isPlain] = tail.isPlain ? 1 : 0;
    this.#control[QUEUE.states + slot] = WAITING;
    Atomics.store(this.#control, QUEUE.tail, (number + 1) | 0);
  }

  #read(slot: number): FileTail {
    const slots = this.#slots;
    const at = slot * SLOT_NUMBERS;
    return {
      descriptor: slots[at + SLOT.descriptor]!,
      start: slots[at + SLOT.start]!,
      length: slots[at + SLOT.length]!,
      uid: slots[at + SLOT.uid]!,
      gid: slots[at + SLOT.gid]!,
      mode: slots[at + SLOT.mode]!,
      times: {
        mtimeSec: slots[at + SLOT.mtimeSec]!,
        mtimeNsec: slots[at + SLOT.mtimeNsec]!,
        atimeSec: slots[at + SLOT.atimeSec]!,
        atimeNsec: slots[at + SLOT.atimeNsec]!,
      },
      checksum: slots[at + SLOT.checksum]!,
      isPlain: slots[at + SLOT.isPlain] === 1,
    };
  }

  /** Whether a file is finished. Tries a failed one again. @throws SystemError */
  settled(number: number): boolean {
    const slot = number & (SLOTS - 1);
    const state = Atomics.load(this.#control, QUEUE.states + slot);
    if (state === FAILED) {
      const tail = this.#read(slot);
      this.#complete(slot, tail);
      // It is closed from here on, even if the close reports an error.
      this.#control[QUEUE.states + slot] = DONE;
      this.#system.close(tail.descriptor);
    } else if (state === CLOSED) {
      throw new SystemError(
        getSystemErrorName(-this.#slots[slot * SLOT_NUMBERS + SLOT.descriptor]!),
        'close',
        '',
      );
    }
    return state !== WAITING;
  }

  /** Records the facts about a finished file. */
  noteFacts(number: number, log: FileFactsLog): void {
    log.note(this.#slots, (number & (SLOTS - 1)) * SLOT_NUMBERS + SLOT.facts);
  }

  /** Blocks until the other thread has finished a file. Called by the apply thread only. */
  waitFor(number: number): void {
    const word = QUEUE.states + (number & (SLOTS - 1));
    for (let spin = 0; spin < SPINS; spin++) if (Atomics.load(this.#control, word) !== WAITING) return;
    // The other thread reads this after it has set the state, so one of both sees what the other one has set.
    Atomics.store(this.#control, QUEUE.isAwaited, 1);
    while (Atomics.load(this.#control, word) === WAITING) Atomics.wait(this.#control, word, WAITING);
    Atomics.store(this.#control, QUEUE.isAwaited, 0);
  }

  /** Closes the files from this one on. The other thread no longer uses them when this returns. */
  abandon(from: number): void {
    const end = Atomics.load(this.#control, QUEUE.tail);
    const unclaimed = Atomics.exchange(this.#control, QUEUE.head, end); // the other thread takes none from here on
    for (let number = from | 0; number !== end; number = (number + 1) | 0) {
      const slot = number & (SLOTS - 1);
      const mine = ((number - unclaimed) | 0) >= 0;
      if (!mine) this.waitFor(number);
      if (mine || Atomics.load(this.#control, QUEUE.states + slot) === FAILED)
        this.#system.close(this.#read(slot).descriptor);
    }
  }
}
