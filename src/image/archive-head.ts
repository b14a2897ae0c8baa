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
    // A little of it, and before anything else is done: by what need not be loaded first.
    const names = namesIn(await readHead(plainBytes(readHandle(handle), { gzip: 'zlib' })));
    return names.length > 0 && names.every((name) => IMAGE_MEMBER.test(name));
  } finally {
    await handle.close();
  }
}

/** As much as there is, up to a fault. */
async function readHead(bytes: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const head: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of bytes) {
      head.push(chunk);
      length += chunk.length;
      if (length >= HEAD_BYTES) break;
    }
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
  }
  return Buffer.concat(head);
}

/** Of the files and links in the head of an archive; none when it is no archive. */
function namesIn(head: Buffer): readonly string[] {
  const names: string[] = [];
  const decoder = new TarDecoder(
    {
      entry(entry) {
        if (entry.type !== 'directory') names.push(memberName(entry) ?? entry.path);
      },
      data() {},
      entryEnd() {},
    },
    ARCHIVE_LIMITS,
  );
  try {
    decoder.write(head);
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
  }
  return names;
}
