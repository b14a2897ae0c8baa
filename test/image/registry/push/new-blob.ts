import { createHash } from 'node:crypto';
import { readDocument } from '../../../../src/image/source/blob-bytes.js';
import type { Descriptor, ImageSource, ImageTarget, NewBlob } from '../../../../src/index.js';

type KnownBlob = NewBlob & Descriptor & { readonly opened: number[] };

export const sha256 = (bytes: Uint8Array) =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;

/** A layer in memory that comes in chunks, and the offsets that it was opened at. */
export function newBlob(bytes: Uint8Array, chunkBytes = 100_000): KnownBlob {
  const opened: number[] = [];
  return {
    mediaType: 'application/vnd.oci.image.layer.v1.tar',
    digest: sha256(bytes),
    size: bytes.length,
    opened,
    open: async (offset) => {
      opened.push(offset);
      return { bytes: lentChunks(bytes.subarray(offset), chunkBytes), offset };
    },
  };
}

/** All chunks come in the same memory, which is valid until the next one is requested. */
async function* lentChunks(bytes: Uint8Array, chunkBytes: number): AsyncGenerator<Uint8Array, void, void> {
  const memory = Buffer.alloc(chunkBytes);
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const chunk = bytes.subarray(at, at + chunkBytes);
    memory.set(chunk);
    yield memory.subarray(0, chunk.length);
    memory.fill(0);
  }
}

/** Copies all images of a source, in the order that a target demands. */
export async function copyAll(source: ImageSource, target: ImageTarget): Promise<void> {
  for (const { target: image } of await source.images()) {
    const bytes = await copyManifest(source, target, image);
    await target.name(undefined, image, bytes);
  }
}

async function copyManifest(
  source: ImageSource,
  target: ImageTarget,
  manifest: Descriptor,
): Promise<Uint8Array> {
  const bytes = await readDocument(source, manifest);
  const { manifests = [], config, layers = [] } = JSON.parse(Buffer.from(bytes).toString());
  for (const child of manifests) await copyManifest(source, target, child);
  const blobs: readonly Descriptor[] = config === undefined ? [] : [config, ...layers];
  await Promise.all(
    blobs.map(async (blob) => {
      if (await target.has(blob)) return;
      await target.writeBlob({ ...blob, open: (offset) => source.open(blob, { offset }) });
    }),
  );
  await target.writeManifest(manifest, bytes);
  return bytes;
}
