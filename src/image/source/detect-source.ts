import { existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type ByteSource, readSource } from '../../base/byte-source.js';
import { toOverlayerError } from '../../system/errno-code.js';

/** What `openImageLayout`, or `openImageArchive`, opens. */
export type StoredImageKind = 'layout' | 'archive';

/**
 * What a path leads to, by content: a directory with an OCI layout; an archive, compressed or not, with something among its
 * first files that image archives have and layers have not; undefined for all else, as a layer, or a pipe, which can be
 * read only once. Of an archive whose images show later, `unpackLayer` and `planLayer` say that it is no layer.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`
 */
export async function detectSource(path: string): Promise<StoredImageKind | undefined> {
  if (isDirectory(path)) return existsSync(join(path, 'oci-layout')) ? 'layout' : undefined;
  // Late, as all that the public entry need not load at once.
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

/** What a stream holds, and a stream of the same bytes. */
export interface DetectedStream {
  readonly kind: 'archive' | undefined;
  /** All bytes, those that were looked at included. */
  readonly bytes: AsyncIterable<Uint8Array>;
}

/** `detectSource` for bytes that come once. It waits for the first 256 KiB of an uncompressed archive, or the end. */
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
  /** Without an end of its own: who stops looking does not stop the source. */
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
