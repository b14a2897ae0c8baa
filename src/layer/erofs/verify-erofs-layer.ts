import { createHash } from 'node:crypto';
import { ABORTABLE_OPTIONS, type AbortableOptions } from '../../base/abort.js';
import { checkOptions, checkPath } from '../../base/check-arguments.js';
import { isCode, OverlayerError } from '../../base/errors.js';
import { hasNonZero } from '../../base/has-non-zero.js';
import { DataTask, ProgressTask, type Task } from '../../base/task.js';
import { BLOCK_BYTES, SUPERBLOCK_OFFSET } from '../../erofs/format.js';
import { TAR_OFFSET } from '../../erofs/head.js';
import type { ErofsReader } from '../../erofs/reader/reader.js';
import { walkErofs } from '../../erofs/reader/walk.js';
import { planLayer } from '../plan-layer.js';
import { LayerFile } from './layer-file.js';
import type { ErofsLayerInfo } from './read-erofs-layer.js';

/** How far a verification is. */
export interface ErofsLayerProgress {
  /** Bytes read so far. */
  readonly bytes: number;
  /** Bytes of the file. */
  readonly size: number;
}

/**
 * Reads a whole layer file, and proves that no byte of it is damaged: the tar by its diffID, all that follows by the checksum in
 * the head, the superblock and the head by theirs. The events are its progress.
 *
 * It does not prove that the files are those of the tar: for a file of an unknown origin, unpack its tar again.
 *
 * @throws OverlayerError
 *   - as `readErofsLayer`
 *   - `DataLoss`: the file is damaged. The message names the part, `offset` is the offset of the first damaged byte or of the
 *     part, and `entry` the file that the bytes belong to, as far as that is known
 * @throws `signal.reason` when the signal is aborted
 */
export function verifyErofsLayer(
  path: string,
  options: AbortableOptions = {},
): Task<ErofsLayerInfo, ErofsLayerProgress> {
  return new ProgressTask(async (tell) => {
    checkOptions('verifyErofsLayer', options, ABORTABLE_OPTIONS);
    checkPath('path', path);
    using file = new LayerFile(path);
    const { size, head } = file;
    let bytes = 0;
    const hash = async (offset: number, length: number): Promise<string> => {
      const sha256 = createHash('sha256');
      for await (const piece of file.pieces({ offset, length }, options.signal)) {
        sha256.update(piece);
        bytes += piece.length;
        tell({ bytes, size }, 0);
      }
      return sha256.digest('hex');
    };
    const end = TAR_OFFSET + head.tarBytes;
    try {
      checkBeginning(file);
      const tar = await hash(TAR_OFFSET, head.tarBytes);
      if (tar !== hex(head.diffID)) throw await damagedTar(file, tar, options.signal);
      const rest = await hash(end, size - end);
      if (rest !== hex(head.rest)) throw damagedRest(file, rest);
    } catch (error) {
      throw nameFile(file, error);
    }
    return file.info;
  });
}

/**
 * Reads the tar of a layer file: byte for byte the archive that the layer was made of. The events are its bytes. The loop fails
 * after the last of them if they don't have the diffID of the head.
 *
 * @throws OverlayerError as `verifyErofsLayer`
 * @throws `signal.reason` when the signal is aborted
 */
export function readErofsTar(path: string, options: AbortableOptions = {}): Task<ErofsLayerInfo, Uint8Array> {
  return new DataTask(async function* () {
    checkOptions('readErofsTar', options, ABORTABLE_OPTIONS);
    checkPath('path', path);
    using file = new LayerFile(path);
    const sha256 = createHash('sha256');
    try {
      for await (const piece of file.pieces(file.info.tar, options.signal)) {
        sha256.update(piece);
        yield piece;
      }
      const digest = sha256.digest('hex');
      if (digest !== hex(file.head.diffID)) throw await damagedTar(file, digest, options.signal);
    } catch (error) {
      throw nameFile(file, error);
    }
    return file.info;
  });
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

/** The superblock, and the zeros up to the tar. @throws OverlayerError `DataLoss` */
function checkBeginning(file: LayerFile): void {
  const { head } = file;
  const image = openImage(file);
  if (image.metadata.offset !== head.metadataOffset)
    throw damage(file, 'the superblock and the head differ about the metadata', SUPERBLOCK_OFFSET);
  const start = SUPERBLOCK_OFFSET + BLOCK_BYTES;
  if (hasNonZero(file.read(start, TAR_OFFSET - start), 0, TAR_OFFSET - start))
    throw damage(file, 'the bytes between the superblock and the tar are not zero', start);
}

/** The head says that overlayer wrote the file, so a superblock that it never writes is damaged. */
function openImage(file: LayerFile): ErofsReader {
  try {
    return file.image;
  } catch (error) {
    if (!isCode(error, 'InvalidArgument', 'Unimplemented')) throw error;
    throw damage(file, `its superblock can't be read (${error.message})`, error.offset ?? SUPERBLOCK_OFFSET);
  }
}

/** Looks for the place of the damage: a header that can't be read. Damaged contents of files don't show theirs. */
async function damagedTar(
  file: LayerFile,
  actual: string,
  signal: AbortSignal | undefined,
): Promise<OverlayerError> {
  const found = await planLayer(file.info.tar, { digests: 'skip', signal }).then(
    () => undefined,
    (error: unknown) => (OverlayerError.is(error) ? error : undefined),
  );
  signal?.throwIfAborted();
  const { offset = 0, entry, message } = found ?? {};
  const what = message === undefined ? '' : ` (${message})`;
  return damage(file, `its tar has another diffID than its head says${what}`, TAR_OFFSET + offset, {
    entry,
    expected: `sha256:${hex(file.head.diffID)}`,
    actual: `sha256:${actual}`,
  });
}

/** Looks for the place of the damage by a walk over all files. */
function damagedRest(file: LayerFile, actual: string): OverlayerError {
  let found: OverlayerError | undefined;
  try {
    for (const { inode } of walkErofs(file.image)) file.image.xattrs(inode);
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    found = error;
  }
  const what = found === undefined ? '' : ` (${found.message})`;
  return damage(
    file,
    `its files and directories do not have the checksum of its head${what}`,
    found?.offset ?? TAR_OFFSET + file.head.tarBytes,
    { expected: `sha256:${hex(file.head.rest)}`, actual: `sha256:${actual}` },
  );
}

function damage(
  { path }: LayerFile,
  what: string,
  offset: number,
  details: Pick<OverlayerError, 'entry' | 'expected' | 'actual'> | object = {},
): OverlayerError {
  return new OverlayerError('DataLoss', `Layer file "${path}" is damaged: ${what}`, {
    hint: 'unpack the layer again',
    ...details,
    offset,
  });
}

/** A read error with the path of the file that has its bytes there. */
function nameFile(file: LayerFile, error: unknown): unknown {
  if (!isCode(error, 'DataLoss') || error.errno === undefined || error.offset === undefined) return error;
  const entry = fileAt(file, error.offset);
  return entry === undefined
    ? error
    : new OverlayerError(error.code, error.message, { ...error, entry, cause: error.cause });
}

/** @returns undefined when no file has its contents there, or when the metadata can't be read either */
function fileAt({ image }: LayerFile, offset: number): string | undefined {
  try {
    for (const { path, inode } of walkErofs(image)) {
      if (inode.type !== 'file') continue;
      for (const extent of image.extents(inode))
        if (offset >= extent.offset && offset < extent.offset + extent.length) return path;
    }
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
  }
  return undefined;
}
