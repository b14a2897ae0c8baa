import { tmpdir } from 'node:os';
import { inspectImages, parsePlatform } from '../../index.js';
import { type OpenImageFlags, openImage } from '../flags/open-image.js';
import type { Argument } from '../flags/read-argument.js';
import { abortOnSignals } from '../interruption.js';
import { imageText } from '../render/image-text.js';
import { printResult } from '../render/print-result.js';

export interface InspectImageFlags extends OpenImageFlags {
  readonly platform?: string;
  readonly json?: true;
}

/** Prints what the images of an archive, a layout or a registry are made of. @returns the exit code */
export async function inspectWhole(read: Argument, flags: InspectImageFlags): Promise<number> {
  await using source = await openImage(read, { ...flags, scratch: tmpdir() });
  const platform = flags.platform === undefined ? undefined : parsePlatform(flags.platform);
  const images = await inspectImages(source, { platform, signal: abortOnSignals() });
  printResult(flags, { images }, images.map((image) => imageText(image)).join('\n'));
  return 0;
}
