import { pipeline } from 'node:stream/promises';
import { OverlayerError, readImageFile } from '../../index.js';
import { openExplored } from '../explored-input.js';
import { abortOnSignals, reportFailure } from '../failure.js';
import type { CatFlags } from '../flags/explore-flags.js';
import { standardOutput } from '../standard-streams.js';

/** Prints the bytes of one file of an image. @returns the exit code */
export async function cat(
  argument: string,
  path: string,
  flags: CatFlags,
  given: readonly string[],
): Promise<number> {
  try {
    const signal = abortOnSignals();
    await using input = await openExplored(argument, { ...flags, json: undefined }, given);
    const bytes = readImageFile(input.source, path, { ...input.options, signal });
    const shown = standardOutput.terminal ? withoutControls(bytes) : bytes;
    await pipeline(shown, standardOutput.stream, { signal, end: false });
    return 0;
  } catch (error) {
    return reportFailure(error, flags);
  }
}

/** Control characters, except for tabs and line ends. Those above U+007F have two bytes in UTF-8. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it looks for
const CONTROL = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]/;

/** A terminal would obey control characters of the file. @throws OverlayerError `InvalidArgument` */
async function* withoutControls(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
  let last = '';
  for await (const chunk of bytes) {
    const text = `${last}${Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).toString('latin1')}`;
    if (CONTROL.test(text))
      throw new OverlayerError(
        'InvalidArgument',
        'The file has control characters, and standard output is a terminal',
        { hint: 'write it to a file (overlayer cat … > FILE), or pipe it into a program that shows bytes' },
      );
    last = text.at(-1) ?? '';
    yield chunk;
  }
}
