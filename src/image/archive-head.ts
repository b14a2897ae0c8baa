import { OverlayerError } from '../base/errors.js';
import { plainBytes } from '../compression/plain-bytes.js';
import { TarDecoder } from '../tar/decoder.js';
import { openArchiveFile, readHandle } from './archive-file.js';
import { ARCHIVE_LIMITS, memberName } from './archive-members.js';

/** Of the uncompressed archive: what is looked at. */
const HEAD_BYTES = 256 * 1024;

/** What docker, containerd, skopeo, buildah, umoci and go-containerregistry put into archives of images. */
const IMAGE_MEMBER =
  /^(oci-layout|index\.json|manifest\.json|repositories|blobs\/sha256\/[0-9a-f]{64}|(sha256:)?[0-9a-f]{64}(\.(json|tar|tar\.gz|tar\.zst)|\/(layer\.tar|VERSION|json))?)$/;

/** Whether a file is an archive, compressed or not, whose first files are those of images and nothing else. */
export async function beginsAsImages(path: string): Promise<boolean> {
  const handle = await openArchiveFile(path);
  if (handle === undefined) return false;
  try {
    // Before anything else is done: by what need not be loaded first, and no further than it takes to tell.
    return await holdsOnlyImages(plainBytes(readHandle(handle), { gzip: 'zlib' }));
  } finally {
    await handle.close();
  }
}

async function holdsOnlyImages(bytes: AsyncIterable<Uint8Array>): Promise<boolean> {
  let members = 0;
  let others = 0;
  const decoder = new TarDecoder(
    {
      entry(entry) {
        if (entry.type === 'directory') return;
        members += 1;
        if (!IMAGE_MEMBER.test(memberName(entry) ?? entry.path)) others += 1;
      },
      data() {},
      entryEnd() {},
    },
    ARCHIVE_LIMITS,
  );
  try {
    for await (const chunk of bytes) {
      decoder.write(chunk);
      if (others > 0 || decoder.position >= HEAD_BYTES) break;
    }
  } catch (error) {
    // What comes up to a fault tells, too.
    if (!OverlayerError.is(error)) throw error;
  }
  return members > 0 && others === 0;
}
