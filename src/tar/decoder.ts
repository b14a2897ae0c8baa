import { OverlayerError } from '../base/errors.js';
import { type Limits, limitError, resolveLimits } from '../base/limits.js';
import { displayPath, encodePath } from '../base/path-bytes.js';
import { BLOCK, checksumMatches, FIELD, hasNonZero, headerForm, isZeroBlock, paddingOf } from './block.js';
import { type ExtensionType, headerType, isExtension } from './entry-type.js';
import type { Extension } from './extension.js';
import { isFormatError } from './format-error.js';
import { HeaderError, readName, readNumber, readNumberAt } from './header.js';
import { HeaderChain } from './header-chain.js';
import { entryName, entryStoredSize, readEntry } from './read-entry.js';
import {
  checkSparseMap,
  OLD_GNU,
  parseSparseList,
  readOldGnuRanges,
  SparseError,
  SparseMapReader,
  type SparseRange,
} from './sparse.js';
import type { EntryType, TarEntry, TarSink } from './types.js';

type State =
  | 'header'
  | 'extension'
  | 'old-gnu-map'
  | 'sparse-map'
  | 'data'
  | 'padding'
  | 'zero-block'
  | 'after'
  | 'failed';

/**
 * A strict, synchronous, incremental tar decoder: bytes in, entries and their data out, no I/O.
 *
 * Reads ustar, PAX (global headers too), GNU long names, base-256 numbers, GNU sparse files (old, 0.0, 0.1,
 * 1.0), star's prefix and v7. Where readers of tar are known to disagree, so that one archive could be two,
 * it refuses: it is an error when a PAX size contradicts the header's, when extension headers of the two
 * families mix, when something other than a file has a body, when a number is negative or overflows.
 *
 * Errors are `OverlayerError`: `InvalidArgument` for a malformed archive, `Unimplemented` for a type of entry
 * it does not read, `DataLoss` for one that ends too early, `ResourceExhausted` for a limit; each with `entry`
 * and `offset`.
 */
export class TarDecoder {
  readonly #sink: TarSink;
  readonly #limits: Limits;
  readonly #chain: HeaderChain;
  /** Collects a block that comes in pieces. */
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #state: State = 'header';
  #position = 0;
  #entries = 0;
  #entry: TarEntry | undefined;
  /** What errors say of the entry in work, while its header is still being read. */
  #naming: Pick<TarEntry, 'path' | 'offset'> | undefined;
  /** Bytes of the entry's body that are still to come, and of the padding behind them. */
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

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Bytes that `skip` leaves out now: the rest of an entry's body, and the padding behind it. */
  get skippable(): number {
    return this.#state === 'data' || this.#state === 'padding' ? this.#bodyLeft + this.#paddingLeft : 0;
  }

  /** The end marker has come: nothing that follows belongs to the archive. */
  get finished(): boolean {
    return this.#state === 'after';
  }

  /** Something other than zeros followed the end of the archive. */
  get dataAfterArchive(): boolean {
    return this.#dataAfterArchive;
  }

  /** Takes `bytes` from `start` to `end`. Calls the sink; throws what the sink throws. */
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
          this.#guard(() => {
            at += this.#chain.take(input, at, end);
          });
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

  /** Goes on behind what is `skippable`, for whoever reads an archive in its place. The sink does not get it. */
  skip(): void {
    const left = this.skippable;
    if (left === 0) return; // headers and maps have to be seen
    const inBody = this.#state === 'data';
    this.#position += left;
    this.#bodyLeft = 0;
    this.#paddingLeft = 0;
    if (inBody) this.#endBody();
    else this.#state = 'header';
  }

  /**
   * The archive is over. POSIX wants two blocks of zeros at its end; some writers (umoci's `insert`) leave them out, and
   * the last padding too.
   *
   * @param options `requireMarker`: take such an archive for one that is cut off. @default true
   * @returns whether the end was marked
   * @throws OverlayerError `DataLoss` when it ended too early
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
    // Between entries the fault is not the last one's.
    if (this.#state === 'header') this.#naming = undefined;
    const what = betweenEntries ? 'archive has no end marker (two blocks of zeros)' : 'archive is cut off';
    throw this.#failure('DataLoss', what, 'get the layer anew: it is not whole');
  }

  /** Whole blocks that have to be seen at once: headers and sparse maps. */
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
    this.#guard(() => {
      switch (this.#state) {
        case 'header':
          if (bytes[start] === 0 && isZeroBlock(bytes, start)) this.#endMarker(offset);
          else this.#header(bytes, start, offset);
          return;
        case 'zero-block':
          if (!isZeroBlock(bytes, start)) {
            this.#naming = undefined;
            this.#position = offset; // the fault is this block
            throw new HeaderError('a lone block of zeros stands between entries');
          }
          this.#state = 'after';
          return;
        case 'old-gnu-map':
          this.#oldGnuMap(bytes, start);
          return;
        default:
          this.#sparseMap(bytes, start);
      }
    });
  }

  /** After a failure there is no going on, and a fault of the format gets its place. */
  #guard(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#state = 'failed';
      if (isFormatError(error)) throw this.#failure('InvalidArgument', error.message);
      throw error;
    }
  }

  #endMarker(offset: number): void {
    if (this.#chain.begun) throw new HeaderError(`archive ends at ${offset} after an extended header`);
    this.#state = 'zero-block';
  }

  #header(bytes: Buffer, start: number, offset: number): void {
    this.#naming = undefined;
    this.#chain.begin(offset);
    if (!checksumMatches(bytes, start)) {
      const first = offset === 0;
      throw this.#failure(
        'InvalidArgument',
        first ? 'not a tar archive: first header has a wrong checksum' : 'header has a wrong checksum',
      );
    }
    const type = headerType(bytes[start + FIELD.typeflag[0]]!);
    if (typeof type === 'object') {
      const name = readName(bytes, start, headerForm(bytes, start));
      throw this.#failure('Unimplemented', `archive holds a ${type.unsupported}`, undefined, name);
    }
    if (isExtension(type)) this.#beginExtension(type, readNumber(bytes, start, 'size'));
    else this.#beginEntry(bytes, start, type);
  }

  #beginExtension(type: ExtensionType, size: number): void {
    this.#chain.beginExtension(type, size);
    this.#paddingLeft = paddingOf(size);
    this.#state = 'extension';
    if (size > 0) return;
    this.#chain.take(this.#block, 0, 0);
    this.#state = 'header';
  }

  #beginEntry(bytes: Buffer, start: number, type: EntryType | 'old-gnu-sparse'): void {
    const said = this.#chain.finish();
    const path = entryName(bytes, start, said);
    this.#naming = { path, offset: said.offset };
    const isOldGnu = type === 'old-gnu-sparse';
    const storedSize = entryStoredSize(bytes, start, said);
    const size = isOldGnu ? this.#beginOldGnuSparse(bytes, start) : (said.pax.sparseSize ?? storedSize);
    const sparse = isOldGnu || said.pax.sparseSize !== undefined;
    const entry = readEntry(bytes, start, said, {
      path,
      type: isOldGnu ? 'file' : type,
      size,
      storedSize,
      sparse,
    });
    this.#checkLimits(entry, storedSize);
    this.#entry = entry;
    this.#bodyLeft = storedSize;
    this.#paddingLeft = paddingOf(storedSize);
    if (entry.sparse) this.#beginSparse(type, said.pax);
    else this.#beginBody(undefined);
  }

  #checkLimits(entry: TarEntry, storedSize: number): void {
    const { maxEntries, maxPathLength, maxBytes } = this.#limits;
    const at = { entry: entry.path, offset: entry.offset };
    this.#entries += 1;
    if (this.#entries > maxEntries) throw limitError('maxEntries', maxEntries, at);
    if (
      byteLength(entry.path, maxPathLength) > maxPathLength ||
      byteLength(entry.linkPath, maxPathLength) > maxPathLength
    )
      throw limitError('maxPathLength', maxPathLength, at);
    if (entry.size > maxBytes || storedSize > maxBytes) throw limitError('maxBytes', maxBytes, at);
  }

  /** @returns the file's full size */
  #beginOldGnuSparse(bytes: Buffer, start: number): number {
    this.#map = [];
    this.#mapBytes = 0;
    readOldGnuRanges(bytes, start + OLD_GNU.map, OLD_GNU.mapRanges, this.#map);
    const extended = bytes[start + OLD_GNU.extended] !== 0;
    this.#mapReader = undefined;
    this.#state = extended ? 'old-gnu-map' : 'data';
    const realSize = readNumberAt(bytes, start + OLD_GNU.realSize, 12, 'realsize');
    if (realSize < 0) throw new HeaderError('field realsize is negative');
    return realSize;
  }

  #beginSparse(type: EntryType | 'old-gnu-sparse', pax: Extension): void {
    if (type === 'old-gnu-sparse') {
      if (this.#state !== 'old-gnu-map') this.#beginBody(this.#map);
    } else if (
      pax.sparseVersion !== undefined &&
      pax.sparseVersion !== '0.0' &&
      pax.sparseVersion !== '0.1'
    ) {
      if (pax.sparseVersion !== '1.0')
        throw this.#failure('Unimplemented', `sparse format ${pax.sparseVersion} is not known`);
      this.#mapReader = new SparseMapReader();
      this.#mapBytes = 0;
      this.#state = 'sparse-map';
    } else {
      if (pax.sparseNumbers === undefined) throw new SparseError('sparse file has no map');
      this.#beginBody(parseSparseList(pax.sparseNumbers));
    }
  }

  #oldGnuMap(bytes: Buffer, start: number): void {
    this.#countMapBytes();
    readOldGnuRanges(bytes, start, OLD_GNU.blockRanges, this.#map!);
    if (bytes[start + OLD_GNU.blockExtended] === 0) this.#beginBody(this.#map);
  }

  #sparseMap(bytes: Buffer, start: number): void {
    this.#countMapBytes();
    if (this.#bodyLeft < BLOCK) throw new SparseError('sparse map is longer than the entry');
    this.#bodyLeft -= BLOCK;
    const map = this.#mapReader!.push(bytes.subarray(start, start + BLOCK));
    if (map !== undefined) this.#beginBody(map);
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

  #failure(
    code: 'InvalidArgument' | 'Unimplemented' | 'DataLoss',
    reason: string,
    hint?: string,
    name = this.#naming?.path,
  ): OverlayerError {
    const offset = this.#naming?.offset ?? (this.#chain.begun ? this.#chain.offset : this.#position);
    const subject =
      name === undefined ? 'Cannot read the archive' : `Cannot read entry "${displayPath(name)}"`;
    this.#state = 'failed';
    return new OverlayerError(code, `${subject}: ${reason}`, { entry: name, offset, hint });
  }
}

/** Bytes of a path; exact only where it could pass the limit. */
function byteLength(path: string, limit: number): number {
  return path.length * 3 <= limit ? path.length : encodePath(path).length;
}
