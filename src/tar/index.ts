export { TarDecoder } from './decoder.js';
export { readTar, type TarEntryReader } from './reader.js';
export type { EntryType, TarEntry, TarSink } from './types.js';
