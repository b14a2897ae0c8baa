/** Open files that wait: few enough for any limit of descriptors, enough for two threads to keep busy. */
export const SLOTS = 128;
/** Those of a tail; most are facts (`manifest/file-facts.ts`) once the file is finished. */
export const SLOT_NUMBERS = 13;
/** Where the slots' states begin: before them are the numbers of the next file to come, and of the next to be finished. */
export const STATES = 2;

/** A `FileQueue`'s memory. */
export const FILE_QUEUE_WORDS: number = STATES + SLOTS;
export const FILE_QUEUE_BYTES: number = SLOTS * SLOT_NUMBERS * 8;
