import { OverlayerError } from '../base/errors.js';
import { type Limits, limitError, resolveLimits } from '../base/limits.js';
import { decodePath, displayPath } from '../base/path-bytes.js';
import { BLOCK, checksumMatches, FIELD, headerForm, isZeroBlock } from './block.js';
import { type ExtensionType, headerType, isExtension } from './entry-type.js';
import { type Extension, mergeExtensions, readPaxHeader } from './extension.js';
import { HeaderError, readName, readNumber, readNumberAt, readText } from './header.js';
import { NumericError } from './numeric.js';
import { PaxError } from './pax.js';
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

/** ustar's size field is full at this value; writers put it, or 0, where a PAX record gives the size. */
const USTAR_MAX_SIZE = 0o77777777777;
const MAX_ID = 0xfffffffe; // (uid_t)-1 means "leave it" to chown
const MAX_DEVICE = 0xffffffff;

type State = 'header' | 'extension' | 'old-gnu-map' | 'sparse-map' | 'data' | 'padding' | 'zero-block' | 'after' | 'failed';

/** What the next entry is known to be while its headers are still coming. */
interface Pending {
  readonly offset: number;
  readonly extension: Extension;
  hasPax: boolean;
  longName: string | undefined;
  longLink: string | undefined;
}

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
  readonly #global: Extension = {};
  /** Collects a block that comes in pieces. */
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #state: State = 'header';
  #position = 0;
  #entries = 0;
  #pending: Pending | undefined;
  #extensionType: ExtensionType = 'pax';
  #extensionBody: Buffer = Buffer.alloc(0);
  #extensionFill = 0;
  #entry: TarEntry | undefined;
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
  }

  /** Bytes taken so far. */
  get position(): number {
    return this.#position;
  }

  get entries(): number {
    return this.#entries;
  }

  /** Something other than zeros followed the end of the archive. */
  get dataAfterArchive(): boolean {
    return this.#dataAfterArchive;
  }

  /** Takes `bytes` from `start` to `end`. Calls the sink; throws what the sink throws. */
  write(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const input = bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
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
          at += input.copy(this.#extensionBody, this.#extensionFill, at, end);
          this.#extensionFill += at - from;
          this.#position += at - from;
          if (this.#extensionFill === this.#extensionBody.length) this.#endExtension();
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

  /** The archive is over. @throws OverlayerError `DataLoss` when it ended too early */
  end(): void {
    if (this.#state === 'after' || this.#state === 'zero-block' || this.#state === 'failed') return;
    if (this.#state === 'header' && this.#position === 0 && this.#blockFill === 0) return; // an empty blob is an empty layer
    const inEntry = this.#state !== 'header' || this.#blockFill > 0 || this.#pending !== undefined;
    const what = inEntry ? 'archive is cut off' : 'archive has no end marker (two blocks of zeros)';
    throw this.#failure('DataLoss', what, 'get the layer anew: it is not whole');
  }

  /** Whole blocks that have to be seen at once: headers and sparse maps. */
  #takeBlock(input: Buffer, at: number, end: number): number {
    if (this.#blockFill === 0 && end - at >= BLOCK) {
      this.#block_(input, at);
      return at + BLOCK;
    }
    const taken = input.copy(this.#block, this.#blockFill, at, Math.min(end, at + BLOCK - this.#blockFill));
    this.#blockFill += taken;
    if (this.#blockFill === BLOCK) {
      this.#blockFill = 0;
      this.#block_(this.#block, 0);
    }
    return at + taken;
  }

  #block_(bytes: Buffer, start: number): void {
    const offset = this.#position;
    this.#position += BLOCK;
    try {
      switch (this.#state) {
        case 'header':
          if (bytes[start] === 0 && isZeroBlock(bytes, start)) this.#endMarker(offset);
          else this.#header(bytes, start, offset);
          return;
        case 'zero-block':
          if (!isZeroBlock(bytes, start)) throw new HeaderError('a lone block of zeros stands between entries');
          this.#state = 'after';
          return;
        case 'old-gnu-map':
          this.#oldGnuMap(bytes, start);
          return;
        default:
          this.#sparseMap(bytes, start);
      }
    } catch (error) {
      this.#state = 'failed';
      if (isFormatError(error)) throw this.#failure('InvalidArgument', error.message);
      throw error;
    }
  }

  #endMarker(offset: number): void {
    if (this.#pending !== undefined) throw new HeaderError(`archive ends at ${offset} after an extended header`);
    this.#state = 'zero-block';
  }

  #header(bytes: Buffer, start: number, offset: number): void {
    this.#entry = undefined;
    this.#pending ??= { offset, extension: {}, hasPax: false, longName: undefined, longLink: undefined };
    if (!checksumMatches(bytes, start)) {
      const first = offset === 0;
      throw this.#failure('InvalidArgument', first ? 'not a tar archive: first header has a wrong checksum' : 'header has a wrong checksum');
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
    const pending = this.#pending!;
    const hasLong = pending.longName !== undefined || pending.longLink !== undefined;
    const isGnu = type === 'gnu-long-name' || type === 'gnu-long-link';
    if (pending.hasPax || (!isGnu && hasLong)) throw new HeaderError('two extended headers in a row: readers disagree on which one counts');
    if ((type === 'gnu-long-name' && pending.longName !== undefined) || (type === 'gnu-long-link' && pending.longLink !== undefined))
      throw new HeaderError('two GNU long names in a row: readers disagree on which one counts');
    if (size > this.#limits.maxHeaderBytes) throw limitError('maxHeaderBytes', this.#limits.maxHeaderBytes, pending);
    this.#extensionType = type;
    this.#extensionBody = Buffer.alloc(size);
    this.#extensionFill = 0;
    this.#paddingLeft = paddingOf(size);
    this.#state = 'extension';
    if (size === 0) this.#endExtension();
  }

  #endExtension(): void {
    const pending = this.#pending!;
    const body = this.#extensionBody;
    try {
      switch (this.#extensionType) {
        case 'pax':
          readPaxHeader(body, pending.extension, this.#limits.maxXattrBytes);
          pending.hasPax = true;
          break;
        case 'pax-global':
          this.#readGlobal(body);
          this.#pending = undefined;
          break;
        case 'gnu-long-name':
          pending.longName = readLongName(body);
          break;
        case 'gnu-long-link':
          pending.longLink = readLongName(body);
          break;
      }
    } catch (error) {
      this.#state = 'failed';
      if (isFormatError(error)) throw this.#failure('InvalidArgument', error.message);
      throw error;
    }
    this.#state = this.#paddingLeft > 0 ? 'padding' : 'header';
  }

  #readGlobal(body: Buffer): void {
    const said: Extension = {};
    readPaxHeader(body, said, this.#limits.maxXattrBytes);
    if (said.path !== undefined || said.linkPath !== undefined || said.size !== undefined || said.sparseNumbers !== undefined || said.sparseSize !== undefined)
      throw new PaxError('global header gives every entry the same name or size');
    Object.assign(this.#global, mergeExtensions(this.#global, said));
  }

  #beginEntry(bytes: Buffer, start: number, type: EntryType | 'old-gnu-sparse'): void {
    const { offset, extension: local, longName, longLink } = this.#pending!;
    const pax = mergeExtensions(this.#global, local);
    const form = headerForm(bytes, start);
    let path = pax.sparseName ?? pax.path ?? longName ?? readName(bytes, start, form);
    const linkPath = pax.linkPath ?? longLink ?? readText(bytes, start + FIELD.linkname[0], FIELD.linkname[1]);
    // From here on errors can name the entry.
    this.#entry = { path, offset } as TarEntry;
    let entryType: EntryType = type === 'old-gnu-sparse' ? 'file' : type;
    if (path.endsWith('/') && entryType === 'file') {
      // v7 had no type for directories, only the slash.
      if (bytes[start + FIELD.typeflag[0]] !== 0) throw new HeaderError('a file has a name that ends in a slash: readers disagree on what it is');
      entryType = 'directory';
    }
    if (path === '') throw new HeaderError('entry has no name');
    const storedSize = reconcileSize(readNumber(bytes, start, 'size'), pax.size);
    const size = type === 'old-gnu-sparse' ? this.#beginOldGnuSparse(bytes, start) : (pax.sparseSize ?? storedSize);
    if (entryType !== 'file' && storedSize !== 0) throw new HeaderError(`a ${entryType} has a size of ${storedSize}: readers disagree on whether a body follows`);
    const isDevice = entryType === 'character-device' || entryType === 'block-device';
    const isLink = entryType === 'symlink' || entryType === 'hardlink';
    if (isLink && linkPath === '') throw new HeaderError(`a ${entryType} has no target`);
    this.#checkLimits(path, isLink ? linkPath : '', size, storedSize);
    const sparse = entryType === 'file' && (type === 'old-gnu-sparse' || pax.sparseSize !== undefined);
    const entry: TarEntry = {
      path,
      type: entryType,
      size: entryType === 'file' ? size : 0,
      mode: readNumber(bytes, start, 'mode') & 0o7777,
      uid: pax.uid ?? readNumber(bytes, start, 'uid'),
      gid: pax.gid ?? readNumber(bytes, start, 'gid'),
      mtimeSec: pax.mtime?.sec ?? readNumber(bytes, start, 'mtime'),
      mtimeNsec: pax.mtime?.nsec ?? 0,
      atimeSec: pax.atime?.sec,
      atimeNsec: pax.atime?.nsec,
      linkPath: isLink ? linkPath : '',
      devMajor: isDevice && form !== 'v7' ? readNumber(bytes, start, 'devmajor') : 0,
      devMinor: isDevice && form !== 'v7' ? readNumber(bytes, start, 'devminor') : 0,
      xattrs: pax.xattrs,
      sparse,
      offset,
    };
    if (entry.uid > MAX_ID || entry.gid > MAX_ID) throw new HeaderError(`owner ${entry.uid}:${entry.gid} overflows`);
    if (entry.devMajor > MAX_DEVICE || entry.devMinor > MAX_DEVICE) throw new HeaderError('device number overflows');
    this.#entry = entry;
    this.#pending = undefined;
    this.#bodyLeft = storedSize;
    this.#paddingLeft = paddingOf(storedSize);
    if (!sparse) this.#beginBody(undefined);
    else this.#beginSparse(type, pax);
  }

  #checkLimits(path: string, linkPath: string, size: number, storedSize: number): void {
    const limits = this.#limits;
    const where = this.#entry!;
    this.#entries += 1;
    const at = { entry: where.path, offset: where.offset };
    if (this.#entries > limits.maxEntries) throw limitError('maxEntries', limits.maxEntries, at);
    if (path.length > limits.maxPathLength || linkPath.length > limits.maxPathLength)
      throw limitError('maxPathLength', limits.maxPathLength, at);
    if (size > limits.maxBytes || storedSize > limits.maxBytes) throw limitError('maxBytes', limits.maxBytes, at);
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
    } else if (pax.sparseVersion !== undefined && pax.sparseVersion !== '0.0' && pax.sparseVersion !== '0.1') {
      if (pax.sparseVersion !== '1.0') throw this.#failure('Unimplemented', `sparse format ${pax.sparseVersion} is not known`);
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
    if (this.#mapBytes > this.#limits.maxHeaderBytes) throw limitError('maxHeaderBytes', this.#limits.maxHeaderBytes, { entry: this.#entry!.path, offset: this.#entry!.offset });
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
    if (this.#map !== undefined && (this.#rangeLeft -= length) === 0) {
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

  #failure(code: 'InvalidArgument' | 'Unimplemented' | 'DataLoss', reason: string, hint?: string, entry = this.#entry?.path): OverlayerError {
    const offset = this.#entry?.offset ?? this.#pending?.offset ?? this.#position;
    const subject = entry === undefined ? 'Cannot read the archive' : `Cannot read entry "${displayPath(entry)}"`;
    this.#state = 'failed';
    return new OverlayerError(code, `${subject}: ${reason}`, { entry, offset, hint });
  }
}

function paddingOf(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}

function readLongName(body: Buffer): string {
  const nul = body.indexOf(0);
  const name = decodePath(nul < 0 ? body : body.subarray(0, nul));
  if (name === '') throw new HeaderError('GNU long name is empty');
  return name;
}

function reconcileSize(header: number, pax: number | undefined): number {
  if (pax === undefined || pax === header) return header;
  if ((header === 0 || header === USTAR_MAX_SIZE) && pax > USTAR_MAX_SIZE) return pax;
  throw new HeaderError(`its header says ${header} bytes and its PAX record ${pax}: readers disagree on where the next entry begins`);
}

function isFormatError(error: unknown): error is Error {
  return error instanceof HeaderError || error instanceof PaxError || error instanceof SparseError || error instanceof NumericError;
}

function hasNonZero(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return true;
  return false;
}
