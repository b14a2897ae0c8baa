import { OverlayerError } from '../base/errors.js';
import { hasNonZero } from '../base/has-non-zero.js';
import { type Limits, limitError, resolveLimits } from '../base/limits.js';
import { displayPath, encodePath } from '../base/path-bytes.js';
import { BLOCK, checksumMatches, FIELD, headerForm, isZeroBlock, paddingOf } from './block.js';
import { describeBeginning, FormatError } from './format-error.js';
import { HeaderError, readName, readNumber } from './header.js';
import { type ExtensionType, HeaderChain, headerType, isExtension } from './header-chain.js';
import { entryName, entryStoredSize, readEntry } from './read-entry.js';
import {
  checkSparseMap,
  oldGnuMap,
  oldGnuSize,
  paxMap,
  SparseError,
  type SparseMapReader,
  type SparseRange,
} from './sparse.js';
import type { EntryType, TarEntry, TarSink } from './types.js';

type State = 'header' | 'extension' | 'map' | 'data' | 'padding' | 'zero-block' | 'after' | 'failed';

/**
 * A strict, synchronous, incremental tar decoder: bytes in, entries and their data out, no I/O.
 *
 * Reads ustar, PAX (also global headers), GNU long names, base-256 numbers, GNU sparse files (old, 0.0, 0.1, 1.0),
 * star's prefix and v7. Refuses archives that tar readers are known to read differently: a PAX size that contradicts
 * the header's, PAX mixed with GNU extension headers, an entry other than a file with a body, a negative number, an
 * overflow.
 *
 * Errors are `OverlayerError`: `InvalidArgument` for a malformed archive, `Unimplemented` for an unsupported
 * type of entry, `DataLoss` for a truncated archive, `ResourceExhausted` for a limit. Each has `entry` and `offset`.
 */
export class TarDecoder {
  readonly #sink: TarSink;
  readonly #limits: Limits;
  readonly #chain: HeaderChain;
  /** Collects a block that arrives in several chunks. */
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #state: State = 'header';
  #position = 0;
  #entries = 0;
  /** Entries and global headers. */
  #charged = 0;
  #entry: TarEntry | undefined;
  /** Name and offset of the current entry, for errors while its header is read. */
  #name: string | undefined;
  #offset: number | undefined;
  /** The previous entry, if it has a size although its type has no body. */
  #sized: TarEntry | undefined;
  /** Remaining bytes of the entry's body, and of its padding. */
  #bodyLeft = 0;
  #paddingLeft = 0;
  #filePosition = 0;
  #map: SparseRange[] | undefined;
  #mapReader: SparseMapReader | undefined;
  #mapBytes = 0;
  #rangeIndex = 0;
  #rangeLeft = 0;
  #dataAfterArchive = false;

  constructor(sink: TarSink, limits: Partial<Limits> = {}) {
    this.#sink = sink;
    this.#limits = resolveLimits(limits);
    this.#chain = new HeaderChain(this.#limits);
  }

  /** Bytes decoded so far. */
  get position(): number {
    return this.#position;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Bytes that `skip` would skip: the rest of the entry's body, and its padding. */
  get skippable(): number {
    return this.#state === 'data' || this.#state === 'padding' ? this.#bodyLeft + this.#paddingLeft : 0;
  }

  /** Whether the end marker was read. Bytes after it do not belong to the archive. */
  get finished(): boolean {
    return this.#state === 'after';
  }

  /** Whether bytes other than zeros follow the end of the archive. */
  get dataAfterArchive(): boolean {
    return this.#dataAfterArchive;
  }

  /** Decodes `bytes` from `start` to `end`. Calls the sink, and throws its errors. */
  write(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const input =
      bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = start;
    while (at < end) {
      const from = at;
      switch (this.#state) {
        case 'data':
          at = this.#takeData(input, at, end);
          this.#position += at - from;
          if (this.#bodyLeft === 0) this.#endBody();
          continue;
        case 'padding':
          at += Math.min(this.#paddingLeft, end - at);
          this.#paddingLeft -= at - from;
          this.#position += at - from;
          if (this.#paddingLeft === 0) this.#state = 'header';
          continue;
        case 'extension':
          try {
            at += this.#chain.take(input, at, end);
          } catch (error) {
            throw this.#failed(error);
          }
          this.#position += at - from;
          if (this.#chain.complete) this.#state = this.#paddingLeft > 0 ? 'padding' : 'header';
          continue;
        case 'after':
          if (!this.#dataAfterArchive) this.#dataAfterArchive = hasNonZero(input, at, end);
          this.#position += end - at;
          at = end;
          continue;
        case 'failed':
          throw new OverlayerError('FailedPrecondition', 'Cannot decode more: the archive has failed before');
        default:
          at = this.#takeBlock(input, at, end);
      }
    }
  }

  /** Skips the `skippable` bytes, for callers that read bodies in place. The sink does not get them. */
  skip(): void {
    const left = this.skippable;
    if (left === 0) return; // headers and maps can't be skipped
    const inBody = this.#state === 'data';
    this.#position += left;
    this.#bodyLeft = 0;
    this.#paddingLeft = 0;
    if (inBody) this.#endBody();
    else this.#state = 'header';
  }

  /**
   * Ends the archive. POSIX requires two blocks of zeros at its end. Some writers (umoci's `insert`) omit them and the
   * last padding.
   *
   * @param options `requireMarker`: treat such an archive as truncated. @default true
   * @returns whether the archive had an end marker
   * @throws OverlayerError `DataLoss` when it is truncated
   */
  end({ requireMarker = true }: { readonly requireMarker?: boolean } = {}): boolean {
    if (this.#state === 'zero-block') {
      this.#dataAfterArchive = hasNonZero(this.#block, 0, this.#blockFill);
      this.#position += this.#blockFill;
    }
    if (this.#state === 'after' || this.#state === 'zero-block' || this.#state === 'failed') return true;
    const betweenEntries = this.#state === 'header' && this.#blockFill === 0 && !this.#chain.begun;
    if (betweenEntries && this.#position === 0) return true; // an empty blob is an empty layer
    if ((betweenEntries || this.#state === 'padding') && !requireMarker) return false;
    // The error does not belong to the last entry when that is complete.
    if (this.#state === 'header') this.#forget();
    const isShort = this.#state === 'header' && this.#position === 0;
    const what = betweenEntries
      ? 'archive has no end marker (two blocks of zeros)'
      : isShort
        ? `not a tar archive: it has ${this.#blockFill} bytes, less than one header`
        : 'archive is cut off';
    const hint = isShort ? describeBeginning(this.#block.subarray(0, this.#blockFill)) : undefined;
    throw this.#failure('DataLoss', what, { hint: hint ?? 'get the layer again: it is not whole' });
  }

  /** Reads headers and sparse maps, which need whole blocks. */
  #takeBlock(input: Buffer, at: number, end: number): number {
    if (this.#blockFill === 0 && end - at >= BLOCK) {
      this.#readBlock(input, at);
      return at + BLOCK;
    }
    const taken = input.copy(this.#block, this.#blockFill, at, Math.min(end, at + BLOCK - this.#blockFill));
    this.#blockFill += taken;
    if (this.#blockFill === BLOCK) {
      this.#blockFill = 0;
      this.#readBlock(this.#block, 0);
    }
    return at + taken;
  }

  #readBlock(bytes: Buffer, start: number): void {
    const offset = this.#position;
    this.#position += BLOCK;
    try {
      switch (this.#state) {
        case 'header':
          if (bytes[start] === 0 && isZeroBlock(bytes, start)) this.#endMarker(offset);
          else this.#header(bytes, start, offset);
          return;
        case 'zero-block':
          if (!isZeroBlock(bytes, start)) {
            this.#forget();
            this.#position = offset; // the error is at this block
            throw new HeaderError('a lone block of zeros stands between entries');
          }
          this.#state = 'after';
          return;
        default:
          this.#takeMap(bytes, start);
      }
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** Ends decoding after an error. @returns the error, for a format error with the offset */
  #failed(error: unknown): unknown {
    this.#state = 'failed';
    if (error instanceof FormatError) return this.#failure(error.code, error.message, { name: error.entry });
    return error;
  }

  #endMarker(offset: number): void {
    if (this.#chain.begun) throw new HeaderError(`archive ends at ${offset} after an extended header`);
    this.#state = 'zero-block';
  }

  /** Forgets the entry for errors. */
  #forget(): void {
    this.#name = undefined;
    this.#offset = undefined;
  }

  #header(bytes: Buffer, start: number, offset: number): void {
    this.#forget();
    this.#chain.begin(offset);
    if (!checksumMatches(bytes, start)) {
      if (this.#sized !== undefined) throw this.#bodyInDoubt(this.#sized);
      if (offset > 0) throw this.#failure('InvalidArgument', 'header has a wrong checksum');
      throw this.#failure('InvalidArgument', 'not a tar archive: first header has a wrong checksum', {
        hint: describeBeginning(bytes.subarray(start, start + BLOCK)),
      });
    }
    this.#sized = undefined;
    const type = headerType(bytes[start + FIELD.typeflag[0]]!);
    if (typeof type === 'object')
      throw new HeaderError(`archive holds a ${type.unsupported}`, {
        code: 'Unimplemented',
        entry: readName(bytes, start, headerForm(bytes, start)),
      });
    if (isExtension(type)) this.#beginExtension(type, readNumber(bytes, start, 'size'));
    else this.#beginEntry(bytes, start, type);
  }

  #beginExtension(type: ExtensionType, size: number): void {
    // Other extension headers belong to an entry, which has two at most.
    if (type === 'pax-global') this.#charge({ offset: this.#chain.offset });
    this.#chain.beginExtension(type, size);
    this.#paddingLeft = paddingOf(size);
    this.#state = 'extension';
    if (size > 0) return;
    this.#chain.take(this.#block, 0, 0);
    this.#state = 'header';
  }

  #beginEntry(bytes: Buffer, start: number, type: EntryType | 'old-gnu-sparse'): void {
    const said = this.#chain.finish();
    this.#offset = said.offset;
    const path = entryName(bytes, start, said);
    this.#name = path;
    const isOldGnu = type === 'old-gnu-sparse';
    const storedSize = entryStoredSize(bytes, start, said);
    const size = isOldGnu ? oldGnuSize(bytes, start) : (said.pax.sparseSize ?? storedSize);
    const sparse = isOldGnu || said.pax.sparseSize !== undefined;
    const entry = readEntry(bytes, start, said, {
      path,
      type: isOldGnu ? 'file' : type,
      size,
      sparse,
      end: this.#position,
    });
    const isFile = entry.type === 'file';
    this.#bodyLeft = isFile ? storedSize : 0;
    this.#paddingLeft = paddingOf(this.#bodyLeft);
    this.#checkLimits(entry);
    this.#entry = entry;
    if (!isFile && storedSize > 0) this.#sized = entry;
    const map = entry.sparse ? (isOldGnu ? oldGnuMap(bytes, start) : paxMap(said.pax)) : undefined;
    if (map === undefined || Array.isArray(map)) this.#beginBody(map);
    else {
      this.#mapReader = map;
      this.#mapBytes = 0;
      this.#state = 'map';
    }
  }

  #charge(where: { readonly entry?: string; readonly offset: number }): void {
    const { maxEntries } = this.#limits;
    this.#charged += 1;
    if (this.#charged > maxEntries) throw limitError('maxEntries', maxEntries, where);
  }

  #checkLimits(entry: TarEntry): void {
    const { maxPathLength, maxBytes } = this.#limits;
    const at = { entry: entry.path, offset: entry.offset };
    this.#entries += 1;
    this.#charge(at);
    if (
      byteLength(entry.path, maxPathLength) > maxPathLength ||
      byteLength(entry.linkPath, maxPathLength) > maxPathLength
    )
      throw limitError('maxPathLength', maxPathLength, at);
    if (entry.size > maxBytes || this.#bodyLeft > maxBytes) throw limitError('maxBytes', maxBytes, at);
  }

  #takeMap(bytes: Buffer, start: number): void {
    const reader = this.#mapReader!;
    this.#countMapBytes();
    if (reader.inBody) {
      if (this.#bodyLeft < BLOCK) throw new SparseError('sparse map is longer than the entry');
      this.#bodyLeft -= BLOCK;
    }
    const map = reader.push(bytes, start);
    if (map === undefined) return;
    this.#entry = { ...this.#entry!, dataOffset: this.#position };
    this.#beginBody(map);
  }

  #countMapBytes(): void {
    this.#mapBytes += BLOCK;
    if (this.#mapBytes > this.#limits.maxHeaderBytes)
      throw limitError('maxHeaderBytes', this.#limits.maxHeaderBytes, {
        entry: this.#entry!.path,
        offset: this.#entry!.offset,
      });
  }

  #beginBody(map: SparseRange[] | undefined): void {
    const entry = this.#entry!;
    if (map !== undefined) checkSparseMap(map, entry.size, this.#bodyLeft);
    this.#map = map;
    this.#rangeIndex = 0;
    this.#filePosition = map?.[0]?.offset ?? 0;
    this.#rangeLeft = map?.[0]?.length ?? 0;
    this.#state = 'data';
    this.#sink.entry(entry);
    if (this.#bodyLeft === 0) this.#endBody();
  }

  #takeData(input: Buffer, at: number, end: number): number {
    let length = Math.min(this.#bodyLeft, end - at);
    if (this.#map !== undefined) length = Math.min(length, this.#rangeLeft);
    this.#sink.data(input, at, at + length, this.#filePosition);
    this.#bodyLeft -= length;
    this.#filePosition += length;
    if (this.#map === undefined) return at + length;
    this.#rangeLeft -= length;
    if (this.#rangeLeft === 0) {
      const next = this.#map[++this.#rangeIndex];
      this.#filePosition = next?.offset ?? 0;
      this.#rangeLeft = next?.length ?? 0;
    }
    return at + length;
  }

  #endBody(): void {
    this.#map = undefined;
    this.#state = this.#paddingLeft > 0 ? 'padding' : 'header';
    this.#sink.entryEnd();
  }

  /**
   * Only a file has a body. When another entry has a size and a header follows immediately, readers agree (libarchive does
   * not for a hard link behind a PAX header, as rules_img wrote). Otherwise libarchive reads a body for hard links.
   */
  #bodyInDoubt({ type, path, offset }: TarEntry): OverlayerError {
    this.#offset = offset;
    return this.#failure(
      'InvalidArgument',
      `a ${type} has a size, and what follows is no header: readers disagree on whether it is a body`,
      { name: path },
    );
  }

  #failure(
    code: 'InvalidArgument' | 'Unimplemented' | 'DataLoss',
    reason: string,
    { name = this.#name, hint }: { readonly name?: string | undefined; readonly hint?: string } = {},
  ): OverlayerError {
    const offset = this.#offset ?? (this.#chain.begun ? this.#chain.offset : this.#position);
    const subject =
      name === undefined ? 'Cannot read the archive' : `Cannot read entry "${displayPath(name)}"`;
    this.#state = 'failed';
    return new OverlayerError(code, `${subject}: ${reason}`, { entry: name, offset, hint });
  }
}

/** Length of a path in bytes; exact only when it could exceed the limit. */
function byteLength(path: string, limit: number): number {
  return path.length * 3 <= limit ? path.length : encodePath(path).length;
}
