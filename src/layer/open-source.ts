import { constants, createReadStream, openSync, type Stats, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { type ByteSource, letGo } from '../base/byte-source.js';
import { OverlayerError } from '../base/errors.js';
import type { FileRange, LayerSource } from './options.js';

export interface OpenedSource {
  /** What the decode thread reads itself; anything else comes through this one. */
  readonly file?: FileRange;
  readonly bytes?: ByteSource;
  readonly compressedSize: number | undefined;
}

/** @throws OverlayerError `NotFound`, `PermissionDenied`, `InvalidArgument` */
export function openSource(source: LayerSource): OpenedSource {
  if (isFileRange(source)) {
    checkRange(source);
    if (!statSource(source.path).isFile())
      throw new OverlayerError('InvalidArgument', `"${source.path}" is no regular file to read a part of`);
    return { file: source, compressedSize: source.length };
  }
  if (typeof source !== 'string')
    return { bytes: source, compressedSize: source instanceof Uint8Array ? source.length : undefined };
  const stat = statSource(source);
  if (stat.isDirectory()) throw new OverlayerError('InvalidArgument', `Layer "${source}" is a directory`);
  if (stat.isFile())
    return { file: { path: source, offset: 0, length: Number.MAX_SAFE_INTEGER }, compressedSize: stat.size };
  return { bytes: stat.isFIFO() ? openFifo(source) : createReadStream(source), compressedSize: undefined };
}

/** @throws OverlayerError `InvalidArgument` */
function checkRange({ path, offset, length }: FileRange): void {
  if ([offset, length].every((number) => Number.isSafeInteger(number) && number >= 0)) return;
  throw new OverlayerError('InvalidArgument', `No part of "${path}": ${length} bytes from ${offset} on`);
}

/** Without blocking a thread until somebody writes: that could not be undone, and would keep the process alive. */
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
      throw new OverlayerError('NotFound', `Layer "${path}" does not exist`, { cause });
    const denied = code === 'EACCES' || code === 'EPERM';
    throw new OverlayerError(
      denied ? 'PermissionDenied' : 'InvalidArgument',
      `Cannot read layer ${JSON.stringify(path)}: ${code}`,
      {
        cause,
      },
    );
  }
}

/** For a layer that nobody will read: what its source holds open is let go. */
export function letGoLayer(source: LayerSource): void {
  if (typeof source !== 'string' && !isFileRange(source)) letGo(source);
}

function isFileRange(source: LayerSource): source is FileRange {
  return typeof source === 'object' && 'path' in source && 'offset' in source;
}
