import { type ImageFile, type ImageSource, openImageLayout } from '../../src/index.js';
import { layoutFiles, writeFiles } from './hand-made-image.js';
import { inWorkDirectory } from './work-directory.js';

/** Works with an image of layers, which is a layout on disk. */
export async function withImage(
  layers: readonly Uint8Array[],
  work: (source: ImageSource, layout: string) => Promise<void>,
): Promise<void> {
  await inWorkDirectory(async (at) => {
    const layout = writeFiles(at('layout'), layoutFiles({}, layers));
    await using source = await openImageLayout(layout);
    await work(source, layout);
  });
}

/** The bytes of a file of `openImageFiles`. */
export async function bodyOf(image: ImageFile): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of image.body()) chunks.push(chunk);
  return Buffer.concat(chunks);
}
