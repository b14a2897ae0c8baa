/**
 * `overlayer/tar`: a strict tar decoder, without layers or files. It reads ustar, PAX and GNU archives, sparse files
 * included, and refuses archives that two readers could read differently.
 *
 * @module overlayer/tar
 */

// Reading an archive, entry by entry.

export { type ReadTarOptions, readTar, type TarEntryReader } from './reader.js';

// The decoder itself: synchronous, without I/O.

export { TarDecoder } from './decoder.js';
export type { EntryType, TarEntry, TarSink } from './types.js';

// Conversions of names: between the decoder's strings and bytes, and to text for people.

export { displayJson, displayPath, encodePath } from '../base/path-bytes.js';

// Sources, limits and errors, which all entry points share.

export type { AbortableOptions } from '../base/abort.js';
export type { ByteSource, OpenedBytes } from '../base/byte-source.js';
export { type ErrorCode, type ErrorDetails, OverlayerError } from '../base/errors.js';
export { DEFAULT_LIMITS, type Limits } from '../base/limits.js';
