import { fstatSync, writeSync } from 'node:fs';
import { exitCode } from './exit-code.js';

/** Longer text may be more than a slow reader takes at once: the stream waits for it, and signals are handled meanwhile. */
const DIRECT_BYTES = 64 * 1024;

/** A standard stream: short text goes to its descriptor, because Node takes 3 to 4 ms to make the stream. */
class StandardStream {
  readonly #descriptor: number;
  readonly #open: () => NodeJS.WriteStream;
  #stream: NodeJS.WriteStream | undefined;

  constructor(descriptor: number, open: () => NodeJS.WriteStream, onError: (error: Error) => void) {
    this.#descriptor = descriptor;
    this.#open = () => open().on('error', onError);
  }

  /** Node's stream. Text that is written later follows what the stream holds. */
  get stream(): NodeJS.WriteStream {
    this.#stream ??= this.#open();
    return this.#stream;
  }

  /** The stream, if it is a terminal. */
  get terminal(): NodeJS.WriteStream | undefined {
    return mayBeTerminal(this.#descriptor) && this.stream.isTTY ? this.stream : undefined;
  }

  write(text: string): void {
    const bytes = Buffer.from(text);
    const written = this.#stream === undefined && bytes.length <= DIRECT_BYTES ? this.#tryDirectly(bytes) : 0;
    if (written < bytes.length) this.stream.write(bytes.subarray(written));
  }

  /** @returns the number of bytes that were written. The stream writes the others, and reports an error. */
  #tryDirectly(bytes: Uint8Array): number {
    try {
      return writeSync(this.#descriptor, bytes);
    } catch {
      return 0; // the reader is gone, the disk is full, or another process has made the descriptor non-blocking
    }
  }
}

/** The major number of /dev/null, /dev/full and others. */
const MEMORY_DEVICES = 1;

function mayBeTerminal(descriptor: number): boolean {
  const stat = fstatSync(descriptor);
  return stat.isCharacterDevice() && stat.rdev >> 8 !== MEMORY_DEVICES;
}

export const standardOutput = new StandardStream(1, () => process.stdout, endOnOutputError);
/** Its reader may be gone: the work itself continues. */
export const standardError = new StandardStream(
  2,
  () => process.stderr,
  () => {},
);

/** A reader that stops early (`overlayer inspect LAYER | head`) is no failure. */
function endOnOutputError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  standardError.write(`overlayer: Cannot write to standard output (${error.code})\n`);
  const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
  process.exit(exitCode(isFull ? 'ResourceExhausted' : 'Unavailable'));
}
