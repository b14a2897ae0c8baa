import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteSource, readSource } from '../../base/byte-source.js';
import { checkPath } from '../../base/check-arguments.js';
import { toOverlayerError } from '../../system/errno-code.js';

/** `layout` is for `openImageLayout`, `archive` for `openImageArchive`. */
export type StoredImageKind = 'layout' | 'archive';

/**
 * Detects by content whether a path is an OCI layout or an image archive, compressed or not. An archive is detected by its
 * first 256 KiB: it has a file there that image archives have and layers do not. Undefined for all else: a layer, or a
 * pipe, which can be read only once. `unpackLayer` and `planLayer` refuse an image archive that is not detected here.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`
 */
export async function detectSource(path: string): Promise<StoredImageKind | undefined> {
  checkPath('path', path);
  if (isDirectory(path)) return existsSync(join(path, 'oci-layout')) ? 'layout' : undefined;
  // Loaded when used: the public entry stays small.
  const { beginsAsImages } = await import('../archive/archive-file.js');
  return (await beginsAsImages(path)) ? 'archive' : undefined;
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  } catch (error) {
    throw toOverlayerError(error, `Cannot read "${path}"`);
  }
}

/** The kind of a stream's content, and a stream of the same bytes. */
export interface DetectedStream {
  readonly kind: 'archive' | undefined;
  /** All bytes of the source, including those that were examined. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** `detectSource` for a stream. It waits for the first 256 KiB of the uncompressed archive, or for the end. */
export async function detectStream(source: ByteSource): Promise<DetectedStream> {
  const { hasImageMember } = await import('../archive/archive-file.js');
  const reader = readSource(source);
  const seen: Uint8Array[] = [];
  let ended = false;
  const next = async (): Promise<IteratorResult<Uint8Array, undefined>> => {
    const { done, value } = await reader.next();
    ended = done === true || value === undefined;
    return done || value === undefined ? { done: true, value: undefined } : { value };
  };
  /** Has no `return` method: the end of the examination does not end the source. */
  const head = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const result = await next();
        if (!result.done) seen.push(result.value);
        return result;
      },
    }),
  };
  const kind = (await hasImageMember(head)) ? 'archive' : undefined;
  const bytes = (async function* () {
    try {
      yield* seen.splice(0);
      for (let result = ended ? undefined : await next(); result && !result.done; result = await next())
        yield result.value;
    } finally {
      if (!ended) reader.cancel();
    }
  })();
  return { kind, bytes };
}
