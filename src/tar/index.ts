export { TarDecoder } from './decoder.js';
export { type ReadTarOptions, readTar, type TarEntryReader } from './reader.js';
export type { EntryType, TarEntry, TarSink } from './types.js';
