import { closeSync, constants, fstatSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';

/** The first line of a file. */
interface Index {
  /** The program that compiled the code. */
  readonly program: string;
  readonly scripts: readonly (readonly [name: string, length: number])[];
}

/** Longest index: 300 scripts. */
const INDEX_BYTES = 16 * 1024;

interface Place {
  readonly start: number;
  readonly length: number;
}

/**
 * A file of compiled code. The code of a script is read when it is asked for.
 *
 * V8 crashes on damaged code, and does not look for damage. So the file has all code a second time, and both must be equal. To
 * read 0.5 MB and its copy takes 1 ms. A sum of all words takes 3 ms more than to read once, Node's modules with a checksum load
 * for 1 to 5 ms, and a sum of one word in 32 overlooks lost sectors.
 */
export class CodeFile {
  /** Stays open, so that all parts come from one file, also when another process replaces it. */
  readonly #descriptor: number;
  readonly #places = new Map<string, Place>();
  /** From the code of a script to its copy. */
  #copyDistance = 0;

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
    return this.#places.keys();
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  /** @returns undefined when the file does not have the code. Damaged code counts as absent from then on */
  read(name: string): Uint8Array | undefined {
    const place = this.#places.get(name);
    const code = place && this.#readTwice(place);
    if (code === undefined) this.#places.delete(name);
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
    for (const [name, length] of scripts) {
      this.#places.set(name, { start, length });
      start += length;
    }
    this.#copyDistance = start - end;
    if (start + this.#copyDistance !== status.size) throw new Error('Truncated');
  }

  #readTwice({ start, length }: Place): Uint8Array | undefined {
    try {
      const code = this.#readAt(start, length);
      return code.equals(this.#readAt(start + this.#copyDistance, length)) ? code : undefined;
    } catch {
      return undefined; // the disk does not give it
    }
  }

  #readAt(start: number, length: number): Buffer {
    // Memory of its own: V8 copies code that does not begin at a multiple of 8.
    const bytes = Buffer.allocUnsafeSlow(length);
    if (readSync(this.#descriptor, bytes, 0, length, start) !== length) throw new Error('Truncated');
    return bytes;
  }
}

/** Makes a file. @param code by the name of the script */
export function writeCodeFile(path: string, code: ReadonlyMap<string, Uint8Array>): void {
  const scripts = [...code].map(([name, bytes]) => [name, bytes.length] as const);
  const index = `${JSON.stringify({ program: thisProgram(), scripts } satisfies Index)}\n`;
  const file = openSync(path, 'wx', 0o600);
  try {
    // A full disk takes a part: this writes the rest, and fails.
    for (const part of [Buffer.from(index, 'latin1'), ...code.values(), ...code.values()])
      writeFileSync(file, part);
  } finally {
    closeSync(file);
  }
}

/** Another Node of the same release may be built with other options, which V8 does not tell apart. */
function thisProgram(): string {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${process.execPath} ${size} ${mtimeMs}`;
}
