import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { checkPath } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import { decodeHead, HEAD_BYTES, isLayerHead, type LayerHead, TAR_OFFSET } from '../../erofs/head.js';
import type { DiffID } from '../../oci/digest.js';
import { toOverlayerError } from '../../system/errno-code.js';
import type { FileRange } from '../options.js';

/** Facts about a layer file, from its head. */
export interface ErofsLayerInfo {
  readonly path: string;
  /** Digest of the tar. */
  readonly diffID: DiffID;
  /** The part of the file that is the layer's tar, byte for byte. Every function that reads a layer takes it as a source. */
  readonly tar: FileRange;
  /** Bytes of the file. */
  readonly size: number;
  /** Entries of the tar. */
  readonly entries: number;
  /** Whiteouts and opaque markers among the entries. */
  readonly whiteouts: number;
  readonly inodes: number;
  /** The files depend on the layers below: on other layers, the same tar could give other files. */
  readonly dependsOnLowers: boolean;
}

/**
 * Reads what the head of a layer file says. It reads 1024 bytes, and verifies only their checksum.
 *
 * @throws OverlayerError
 *   - `InvalidArgument`: it is not a layer file; `Unimplemented`: of another version
 *   - `DataLoss`: the head is damaged, or the file was cut off
 *   - `NotFound`, `PermissionDenied`
 */
export function readErofsLayer(path: string): ErofsLayerInfo {
  checkPath('path', path);
  const found = findErofsLayer(path);
  if (found === undefined) throw notALayerFile(path);
  return found;
}

/** `readErofsLayer` of a regular file that may be anything else, for which it returns undefined. */
export function findErofsLayer(path: string): ErofsLayerInfo | undefined {
  const descriptor = readingLayer(path, () => openSync(path, 'r'));
  try {
    const head = readHead(descriptor, path);
    return head && describeHead(head, path);
  } finally {
    closeSync(descriptor);
  }
}

export function describeHead(head: LayerHead, path: string): ErofsLayerInfo {
  const { fileBytes: size, tarBytes: length, entries, whiteouts, inodes, dependsOnLowers } = head;
  const diffID = `sha256:${Buffer.from(head.diffID).toString('hex')}` as const;
  const tar = { path, offset: TAR_OFFSET, length };
  return { path, diffID, tar, size, entries, whiteouts, inodes, dependsOnLowers };
}

/**
 * @returns undefined when the file does not begin as a layer file
 * @throws OverlayerError `DataLoss`: the head is damaged, or the file was cut off; `Unimplemented`: another version
 */
export function readHead(descriptor: number, path: string): LayerHead | undefined {
  const bytes = Buffer.alloc(HEAD_BYTES);
  const length = readingLayer(path, () => readFully(descriptor, bytes, 0), 0);
  if (!isLayerHead(bytes.subarray(0, length))) return undefined;
  const { size } = readingLayer(path, () => fstatSync(descriptor));
  const head = decodeHead(bytes.subarray(0, length));
  if (head.fileBytes === size) return head;
  throw new OverlayerError('DataLoss', `Layer file "${path}" does not have the length that its head says`, {
    hint: 'unpack the layer again',
    offset: Math.min(size, head.fileBytes),
    expected: String(head.fileBytes),
    actual: String(size),
  });
}

/** pread(2) until `into` is full, or the file ends. @returns bytes read */
export function readFully(descriptor: number, into: Uint8Array, offset: number): number {
  for (let done = 0; done < into.length; ) {
    const read = readSync(descriptor, into, done, into.length - done, offset + done);
    if (read === 0) return done;
    done += read;
  }
  return into.length;
}

/** @throws OverlayerError for an error of a system call */
export function readingLayer<T>(path: string, work: () => T, offset?: number): T {
  try {
    return work();
  } catch (error) {
    const failure = toOverlayerError(error, `Cannot read layer file "${path}"`);
    if (!OverlayerError.is(failure) || offset === undefined) throw failure;
    throw new OverlayerError(failure.code, failure.message, { ...failure, offset, cause: failure.cause });
  }
}

export function notALayerFile(path: string): OverlayerError {
  return new OverlayerError('InvalidArgument', `"${path}" is not a layer file of overlayer`, {
    hint: 'overlayer unpack --target erofs LAYER FILE writes such a file',
  });
}
