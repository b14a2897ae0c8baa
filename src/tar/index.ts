export type { EntryType, TarEntry, TarSink } from './types.js';
