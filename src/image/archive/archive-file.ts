import { type FileHandle, open, stat } from 'node:fs/promises';
import type { ByteSource } from '../../base/byte-source.js';
import { OverlayerError } from '../../base/errors.js';
import { DEFAULT_LIMITS, type Limits } from '../../base/limits.js';
import { plainBytes } from '../../compression/plain-bytes.js';
import { cleanPath } from '../../layer/plan/clean-path.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError, isErrno } from '../../system/system.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarEntry } from '../../tar/types.js';

/** Limits of image archives. All names are kept in memory, so the limits are lower than those of layers. */
export const ARCHIVE_LIMITS: Partial<Limits> = {
  ...DEFAULT_LIMITS,
  maxEntries: 65_536,
  maxPathLength: 1024,
};

/** Undefined for a name that is not in its clean form: no image archive has such members. */
export function memberName({ path }: TarEntry): string | undefined {
  return cleanName(path);
}

export function cleanName(path: string): string | undefined {
  const clean = cleanPath(path);
  return clean.changed || clean.path === '' ? undefined : clean.path;
}

/** @returns undefined when it is not a regular file, as a pipe @throws OverlayerError `NotFound`, `InvalidArgument`, `PermissionDenied` */
export async function openArchiveFile(path: string): Promise<FileHandle | undefined> {
  try {
    const stats = await stat(path);
    if (stats.isDirectory())
      throw new OverlayerError('InvalidArgument', `Image archive "${path}" is a directory`, {
        hint: 'open it as an image layout',
      });
    return stats.isFile() ? await open(path) : undefined;
  } catch (cause) {
    if (OverlayerError.is(cause)) throw cause;
    const error = asSystemError(cause, path);
    if (isErrno(error, 'ENOENT', 'ENOTDIR'))
      throw new OverlayerError('NotFound', `Image archive "${path}" does not exist`, { cause });
    throw fromSystemError(error, `Cannot open image archive "${path}"`);
  }
}

/** Reads the file from its start and leaves the handle open. */
export function readHandle(handle: FileHandle): ByteSource {
  return handle.createReadStream({ start: 0, autoClose: false });
}

/** Bytes of the uncompressed archive that are examined. */
const HEAD_BYTES = 256 * 1024;

/** Members of the archives of docker, containerd, skopeo, buildah, umoci and go-containerregistry; no layer has them. */
const IMAGE_MEMBER =
  /^(oci-layout|repositories|blobs\/sha256\/[0-9a-f]{64}|(sha256:)?[0-9a-f]{64}(\.(json|tar|tar\.gz|tar\.zst)|\/layer\.tar)?)$/;

/** Whether a file begins as an image archive, compressed or not. */
export async function beginsAsImages(path: string): Promise<boolean> {
  const handle = await openArchiveFile(path);
  if (handle === undefined) return false;
  try {
    return await hasImageMember(readHandle(handle));
  } finally {
    await handle.close();
  }
}

/** Whether one of the first members belongs to an image archive. Reads no more than needed. */
export async function hasImageMember(bytes: ByteSource): Promise<boolean> {
  let found = false;
  const decoder = new TarDecoder(
    {
      entry(entry) {
        if (entry.type !== 'directory') found ||= IMAGE_MEMBER.test(memberName(entry) ?? '');
      },
      data() {},
      entryEnd() {},
    },
    ARCHIVE_LIMITS,
  );
  try {
    // zlib needs no native package, which would have to be loaded first.
    for await (const chunk of plainBytes(bytes, { gzip: 'zlib' })) {
      decoder.write(chunk);
      if (found || decoder.position >= HEAD_BYTES) break;
    }
  } catch (error) {
    // The members before the error are enough to decide.
    if (!OverlayerError.is(error)) throw error;
  }
  return found;
}
