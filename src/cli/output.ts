import { once } from 'node:events';
import { pipeline } from 'node:stream/promises';
import { OverlayerError, replaceFile } from '../index.js';
import { standardOutput } from './standard-streams.js';

const FLUSH_LENGTH = 64 * 1024;

/** Standard output for long listings: written in large pieces, and no faster than it is read. */
export class BufferedOutput {
  #text = '';

  async write(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= FLUSH_LENGTH) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    const { stream } = standardOutput;
    if (text !== '' && !stream.write(text)) await once(stream, 'drain');
  }
}

/**
 * Binary data goes to a file or a pipe.
 * @param hint what to do instead
 * @throws OverlayerError `InvalidArgument` where standard output is a terminal
 */
export function refuseTerminal(hint: string): void {
  if (standardOutput.terminal)
    throw new OverlayerError('InvalidArgument', 'Standard output is a terminal', { hint });
}

/** Writes to a file (`replaceFile`), or for `-` to standard output, which must not be a terminal. */
export async function writeOutput(
  bytes: AsyncIterable<Uint8Array>,
  output: string,
  signal: AbortSignal,
): Promise<void> {
  if (output !== '-') return await replaceFile(output, bytes, { signal });
  refuseTerminal('name a file: -o FILE');
  await pipeline(bytes, standardOutput.stream, { signal, end: false });
}
