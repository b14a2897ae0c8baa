import { constants, createReadStream, openSync, type Stats, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { closeSource, type OpenedBytes, openBytes, type UnreadSource } from '../base/byte-source.js';
import { checkPath } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import type { DiffID } from '../oci/digest.js';
import { findErofsLayer } from './erofs/read-erofs-layer.js';
import type { FileRange, LayerSource, ReadLayerOptions } from './options.js';

/** A source that is checked, and not opened yet. */
export type FoundSource = string | FileRange | OpenedBytes;

interface OpenedSource {
  /** A file that the decode thread reads itself. Other sources are read by this thread. */
  readonly file?: FileRange;
  readonly bytes?: OpenedBytes;
  readonly compressedSize: number | undefined;
  /** The diffID that the source itself states. It is verified as if the caller had given it. */
  readonly diffID?: DiffID | undefined;
}

/**
 * Distinguishes paths from bytes, and opens nothing. A wrong source fails before the call waits for a thread.
 *
 * @throws OverlayerError `InvalidArgument`; as `openBytes`
 */
export function findSource(source: LayerSource): FoundSource {
  if (source instanceof URL) return pathOf(source);
  if (typeof source === 'string') checkPath('source', source);
  else if (isFileRange(source)) checkRange(source);
  else return openBytes(source);
  return source;
}

/** @throws OverlayerError `InvalidArgument` for anything but `file:` */
export function pathOf(url: URL): string {
  if (url.protocol === 'file:') return fileURLToPath(url);
  throw new OverlayerError('InvalidArgument', `Cannot open "${url}": it is not the URL of a file`, {
    hint: fetchHint(url.protocol),
  });
}

/** @throws OverlayerError `NotFound`, `PermissionDenied`, `InvalidArgument` */
export function openSource(source: FoundSource): OpenedSource {
  if (typeof source !== 'string') {
    if (!isFileRange(source))
      return { bytes: source, compressedSize: source instanceof Uint8Array ? source.length : undefined };
    if (!statSource(source.path).isFile())
      throw new OverlayerError(
        'InvalidArgument',
        `"${source.path}" is not a regular file: only regular files can be read in part`,
      );
    return { file: source, compressedSize: source.length };
  }
  const stat = statSource(source);
  if (stat.isDirectory()) throw new OverlayerError('InvalidArgument', `Layer "${source}" is a directory`);
  if (stat.isFile()) {
    const layer = findErofsLayer(source);
    if (layer !== undefined)
      return { file: layer.tar, compressedSize: layer.tar.length, diffID: layer.diffID };
    return { file: { path: source, offset: 0, length: Number.MAX_SAFE_INTEGER }, compressedSize: stat.size };
  }
  return { bytes: stat.isFIFO() ? openFifo(source) : createReadStream(source), compressedSize: undefined };
}

/**
 * The most compressed bytes of a layer that the calling thread unpacks (option `thread`): it is done before threads have
 * started. The first layer that threads unpack takes less in two than in one, whatever its size (0.5 MB: 60 and 74 ms).
 */
const MAX_CALLERS_BYTES = 1024 * 1024;

/** Whether the calling thread may unpack a layer. It may not when the size is known only at the end. */
export function isSmallSource(source: FoundSource): boolean {
  if (typeof source !== 'string')
    return (source instanceof Uint8Array || isFileRange(source)) && source.length <= MAX_CALLERS_BYTES;
  try {
    const stat = statSync(source, { throwIfNoEntry: false });
    return stat?.isFile() === true && stat.size <= MAX_CALLERS_BYTES;
  } catch {
    return false; // opening it reports the error
  }
}

/** Frees what a source holds that is not read, because the work before it has failed. */
export async function useSource<T>(
  source: LayerSource,
  { unreadSource }: Pick<ReadLayerOptions, 'unreadSource'>,
  work: (found: FoundSource) => Promise<T>,
): Promise<T> {
  const found = findSource(source);
  try {
    return await work(found);
  } catch (error) {
    closeLayerSource(found, unreadSource);
    throw error;
  }
}

/** Frees what the source of a layer holds that is not going to be read. */
export function closeLayerSource(source: LayerSource, unread?: UnreadSource): void {
  if (typeof source === 'object' && !(source instanceof URL) && !isFileRange(source))
    closeSource(source, unread);
}

/** @throws OverlayerError `InvalidArgument` */
function checkRange({ path, offset, length }: FileRange): void {
  checkPath('source.path', path);
  if ([offset, length].every((number) => Number.isSafeInteger(number) && number >= 0)) return;
  throw new OverlayerError(
    'InvalidArgument',
    `Invalid part of "${path}": ${length} bytes at offset ${offset}`,
  );
}

/** Does not block a thread until a process writes: that could not be undone, and would keep this process alive. */
function openFifo(path: string): Socket {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  return new Socket({ fd, readable: true, writable: false });
}

function statSource(path: string): Stats {
  try {
    return statSync(path);
  } catch (cause) {
    const { code = '' } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new OverlayerError('NotFound', `Layer "${path}" does not exist`, {
        hint: fetchHint(/^\w+:(?=\/\/)/.exec(path)?.[0]),
        cause,
      });
    const denied = code === 'EACCES' || code === 'EPERM';
    throw new OverlayerError(
      denied ? 'PermissionDenied' : 'InvalidArgument',
      `Cannot read layer ${JSON.stringify(path)}: ${code}`,
      { cause },
    );
  }
}

function fetchHint(protocol: string | undefined): string | undefined {
  const isHTTP = protocol === 'http:' || protocol === 'https:';
  return isHTTP ? 'pass the response: await fetch(url)' : undefined;
}

export function isFileRange(source: LayerSource | FoundSource): source is FileRange {
  return typeof source === 'object' && source !== null && 'path' in source && 'offset' in source;
}
