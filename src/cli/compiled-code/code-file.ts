import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';

/** The first line of a file. The code of the scripts follows in the same order. */
interface Index {
  /** The program that compiled the code. */
  readonly program: string;
  readonly scripts: readonly (readonly [name: string, length: number, checksum: number])[];
}

/** Longest index: 300 scripts. */
const INDEX_BYTES = 16 * 1024;

interface Part {
  readonly start: number;
  readonly length: number;
  readonly sum: number;
}

/** A file of compiled code. The code of a script is read when it is asked for. */
export class CodeFile {
  /** Stays open, so that all parts come from one file, also when another process replaces it. */
  readonly #descriptor: number;
  readonly #parts = new Map<string, Part>();

  /** @throws when there is no such file of the user's, or its index is damaged, or another program has written it */
  constructor(path: string) {
    this.#descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      this.#readIndex();
    } catch (error) {
      closeSync(this.#descriptor);
      throw error;
    }
  }

  get names(): Iterable<string> {
    return this.#parts.keys();
  }

  has(name: string): boolean {
    return this.#parts.has(name);
  }

  /** @returns undefined when the file does not have the code. It has no longer what is damaged */
  read(name: string): Uint8Array | undefined {
    const part = this.#parts.get(name);
    const code = part && this.#readPart(part);
    if (code === undefined) this.#parts.delete(name);
    return code;
  }

  #readIndex(): void {
    const status = fstatSync(this.#descriptor);
    if (!status.isFile() || status.uid !== process.geteuid!()) throw new Error('Not a file of the user');
    const bytes = Buffer.allocUnsafe(INDEX_BYTES);
    const end = bytes.subarray(0, readSync(this.#descriptor, bytes)).indexOf('\n') + 1;
    const { program, scripts } = JSON.parse(bytes.toString('latin1', 0, end)) as Index;
    if (program !== thisProgram()) throw new Error('Written by another program');
    let start = end;
    for (const [name, length, sum] of scripts) {
      this.#parts.set(name, { start, length, sum });
      start += length;
    }
    if (start !== status.size) throw new Error('Truncated');
  }

  #readPart({ start, length, sum }: Part): Uint8Array | undefined {
    try {
      // Memory of its own: V8 and the checksum want the code at a multiple of 8.
      const code = Buffer.allocUnsafeSlow(length);
      const isWhole = readSync(this.#descriptor, code, 0, length, start) === length;
      return isWhole && checksum(code) === sum ? code : undefined;
    } catch {
      return undefined; // the disk does not give it
    }
  }
}

/** Makes a file. @param code by the name of the script */
export function writeCodeFile(path: string, code: ReadonlyMap<string, Uint8Array>): void {
  const scripts = [...code].map(([name, bytes]) => [name, bytes.length, checksum(bytes)] as const);
  const index = `${JSON.stringify({ program: thisProgram(), scripts } satisfies Index)}\n`;
  const file = openSync(path, 'wx', 0o600);
  try {
    // A full disk takes a part: this writes the rest, and fails.
    for (const part of [Buffer.from(index, 'latin1'), ...code.values()]) writeFileSync(file, part);
  } finally {
    closeSync(file);
  }
}

/** Another Node of the same release may be built with other options, which V8 does not tell apart. */
function thisProgram(): string {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${process.execPath} ${size} ${mtimeMs}`;
}

/** Words of four bytes from one that is summed to the next. */
const STEP = 64;

/**
 * V8 does not check the code: it crashes if the code is damaged. A power cut or a bad disk loses whole sectors of 512 bytes or
 * more, so two words of each are summed: 0.1 ms for 1 MB, where all would take 2 ms, and a module with a checksum 1 to 4 ms.
 */
function checksum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let sum = 0;
  for (let at = 0; at < words.length; at += STEP) sum = (Math.imul(sum, 31) + words[at]!) | 0;
  return sum;
}
