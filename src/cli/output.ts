import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { OverlayerError } from '../index.js';
import { fileFailure } from './failure.js';

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
    if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
  }
}

/**
 * Binary data goes to a file or a pipe.
 * @param hint what to do instead
 * @throws OverlayerError `InvalidArgument` where standard output is a terminal
 */
export function refuseTerminal(hint: string): void {
  if (process.stdout.isTTY)
    throw new OverlayerError('InvalidArgument', 'Standard output is a terminal', { hint });
}

/** Writes to a file, or for `-` to standard output, which must not be a terminal. */
export async function writeOutput(
  bytes: AsyncIterable<Uint8Array>,
  output: string,
  signal: AbortSignal,
): Promise<void> {
  if (output !== '-') return await writeFile(bytes, output, signal);
  refuseTerminal('name a file: -o FILE');
  await pipeline(bytes, process.stdout, { signal, end: false });
}

async function writeFile(bytes: AsyncIterable<Uint8Array>, path: string, signal: AbortSignal): Promise<void> {
  try {
    if (await isSpecial(path)) await pipeline(bytes, createWriteStream(path), { signal });
    else await replaceFile(bytes, path, signal);
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    throw fileFailure(error, `Cannot write "${path}"`);
  }
}

/** A device or a pipe cannot be replaced: it is written in place. */
async function isSpecial(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => undefined);
  return stats !== undefined && !stats.isFile() && !stats.isDirectory();
}

/** The file appears when it is complete and on disk. */
async function replaceFile(
  bytes: AsyncIterable<Uint8Array>,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const partial = `${path}.partial-${process.pid}`;
  try {
    await pipeline(bytes, createWriteStream(partial, { flags: 'wx', flush: true }), { signal });
    await rename(partial, path);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}
