import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { ScriptCode } from './load-chunk.js';

/** At most so many files are kept: of each command, build and release of Node one, 0.1 to 2 MB. */
const MOST_FILES = 40;
const FILE_NAME = /^[a-z]+-[0-9a-f]{16}-v[0-9.]+-[a-z0-9]+(\.\d+\.tmp)?$/;

/** V8 reads compiled code without a copy, and the checksum reads words, if the code begins at such a multiple. */
const ALIGNMENT = 8;

/** The first line of a file. The code of the scripts follows in the same order. */
interface Index {
  /** The program that compiled the code. */
  readonly program: string;
  /** By the name of its file: length of the script's code, and its checksum. */
  readonly scripts: Readonly<Record<string, readonly [length: number, checksum: number]>>;
}

/** A script, or a thread that runs one. */
interface CodeMaker {
  readonly cachedDataRejected?: boolean | undefined;
  /** @returns undefined when the thread has ended */
  createCachedData(): Uint8Array | undefined;
}

/**
 * What V8 has compiled in earlier runs of a command, with the functions that those runs called: V8 compiles a function when
 * it is first called. One file has the code of all scripts of the command.
 *
 * A run that loads a script which is not in the file writes the file anew, with the code of both.
 */
export class CompiledCode implements ScriptCode {
  readonly #path: string;
  readonly #known = new Map<string, Uint8Array>();
  readonly #makers = new Map<string, CodeMaker>();
  #isComplete = true;

  /**
   * @param directory where only the user can write
   * @param name of the file; it says what the code was compiled from
   */
  constructor(directory: string, name: string) {
    this.#path = join(directory, name);
    try {
      this.#read();
    } catch {
      // The file is absent or damaged: the run writes it.
    }
  }

  find(path: string): Uint8Array | undefined {
    return this.#known.get(nameOf(path));
  }

  add(path: string, maker: CodeMaker): void {
    const name = nameOf(path);
    if (!this.#known.has(name) || maker.cachedDataRejected === true) this.#isComplete = false;
    // Of threads that run the same file, the first has run most of it.
    if (!this.#makers.has(name)) this.#makers.set(name, maker);
  }

  /** Writes the file if a script of this run is not in it. An error leaves the file as it was. */
  save(): void {
    if (this.#isComplete) return;
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      this.#write(temporary);
      renameSync(temporary, this.#path);
      removeOldest(dirname(this.#path));
    } catch {
      rmSync(temporary, { force: true });
    }
  }

  #read(): void {
    const bytes = readOwnFile(this.#path);
    const end = bytes.indexOf('\n') + 1;
    const { program, scripts } = JSON.parse(bytes.toString('latin1', 0, end)) as Index;
    if (program !== thisProgram()) return;
    let start = aligned(end);
    for (const [name, [length, sum]] of Object.entries(scripts)) {
      const code = bytes.subarray(start, start + length);
      if (code.length === length && checksum(code) === sum) this.#known.set(name, code);
      start += aligned(length);
    }
  }

  #write(path: string): void {
    const code = new Map(this.#known);
    for (const [name, maker] of this.#makers) {
      const bytes = maker.createCachedData();
      if (bytes !== undefined) code.set(name, bytes);
    }
    const scripts = Object.fromEntries(
      [...code].map(([name, bytes]) => [name, [bytes.length, checksum(bytes)]] as const),
    );
    const index = `${JSON.stringify({ program: thisProgram(), scripts } satisfies Index)}\n`;
    const parts = [Buffer.from(index, 'latin1'), ...code.values()];
    const padded = parts.flatMap((part) => [part, Buffer.alloc(aligned(part.length) - part.length)]);
    const file = openSync(path, 'wx', 0o600);
    try {
      // It writes the rest, and fails, where a full disk takes a part.
      writeFileSync(file, Buffer.concat(padded));
    } finally {
      closeSync(file);
    }
  }
}

/** The packages of two projects have the same files at different places. */
function nameOf(path: string): string {
  return `${basename(dirname(path))}/${basename(path)}`;
}

/** @throws for what is no file of the user's, such as a symlink or a pipe */
function readOwnFile(path: string): Buffer {
  const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const status = fstatSync(file);
    if (!status.isFile() || status.uid !== process.geteuid!())
      throw new Error(`${path} is not a file of the user's`);
    const bytes = Buffer.allocUnsafeSlow(status.size);
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** Another Node of the same release may be built with other options, which V8 does not tell apart. */
function thisProgram(): string {
  const { size, mtimeMs } = statSync(process.execPath);
  return `${process.execPath} ${size} ${mtimeMs}`;
}

function aligned(length: number): number {
  return Math.ceil(length / ALIGNMENT) * ALIGNMENT;
}

/** Words of four bytes from one that is summed to the next. */
const STEP = 32;

/**
 * V8 does not check the code: it crashes if the code is damaged. A power cut or a bad disk loses whole sectors of 512 bytes or
 * more, so four words of each are summed: 0.1 ms, where all would take 2 ms, and a module with a checksum 1 to 4 ms.
 */
function checksum(bytes: Uint8Array): number {
  const words = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length >> 2);
  let sum = 0;
  for (let at = 0; at < words.length; at += STEP) sum = (Math.imul(sum, 31) + words[at]!) | 0;
  return sum;
}

/** Removes the files that were written first, of this and of other builds. */
function removeOldest(directory: string): void {
  const paths = readdirSync(directory)
    .filter((name) => FILE_NAME.test(name))
    .map((name) => join(directory, name));
  if (paths.length <= MOST_FILES) return;
  const times = new Map(paths.map((path) => [path, statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0]));
  const oldest = paths.sort((a, b) => times.get(a)! - times.get(b)!).slice(0, paths.length - MOST_FILES);
  for (const path of oldest) rmSync(path, { force: true });
}
