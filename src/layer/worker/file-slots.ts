import { FACT, FACTS } from '../manifest/file-facts.js';

/** Files that can wait at once: few enough for any limit of descriptors, enough to keep two threads busy. */
export const SLOTS = 128;

/** The queue's words: the numbers of the next file to add and of the next to finish, then the state of each slot. */
export const QUEUE = { tail: 0, head: 1, states: 2 } as const;

/** Index of the first fact in a slot. */
const FACTS_START = 3;

/**
 * The numbers of a slot. They describe a file that has to be finished (`FileTail`). Finishing replaces those from
 * `facts` on by a row of `FileFacts`; what both have is at the same index.
 */
export const SLOT = {
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
export const SLOT_NUMBERS: number = SLOT.isPlain + 1;

export const FILE_QUEUE_WORDS: number = QUEUE.states + SLOTS;
export const FILE_QUEUE_BYTES: number = SLOTS * SLOT_NUMBERS * Float64Array.BYTES_PER_ELEMENT;
