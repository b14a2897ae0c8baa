import { readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { CodeFile, writeCodeFile } from './code-file.js';
import type { ScriptCode } from './load-chunk.js';

/** At most so many files are kept: of each command, build, release of Node and set of V8's flags one, 0.4 to 4 MB. */
const MOST_FILES = 40;
const FILE_NAME = /^[a-z]+-[0-9a-f]{16}-v[0-9.]+-[a-z0-9]+(-[0-9a-f]+)?(\.\d+\.tmp)?$/;

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
  readonly #file: CodeFile | undefined;
  readonly #makers = new Map<string, CodeMaker>();
  #isComplete = true;

  /**
   * @param directory where only the user can write
   * @param name of the file; it says what the code was compiled from
   */
  constructor(directory: string, name: string) {
    this.#path = join(directory, name);
    try {
      this.#file = new CodeFile(this.#path);
    } catch {
      // The run makes the file.
    }
  }

  find(path: string): Uint8Array | undefined {
    return this.#file?.read(nameOf(path));
  }

  add(path: string, maker: CodeMaker): void {
    const name = nameOf(path);
    if (this.#file?.has(name) !== true || maker.cachedDataRejected === true) this.#isComplete = false;
    // Of threads that run the same file, the first has run most of it.
    if (!this.#makers.has(name)) this.#makers.set(name, maker);
  }

  /** Writes the file if a script of this run is not in it. */
  save(): void {
    if (this.#isComplete) return;
    try {
      this.#replaceFile();
      removeOldest(dirname(this.#path));
    } catch {
      // No permission or a full disk. The file stays as it was.
    }
  }

  #replaceFile(): void {
    const temporary = `${this.#path}.${process.pid}.tmp`;
    try {
      writeCodeFile(temporary, this.#collect());
      renameSync(temporary, this.#path);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  }

  #collect(): ReadonlyMap<string, Uint8Array> {
    const collected = new Map<string, Uint8Array>();
    for (const name of new Set([...(this.#file?.names ?? []), ...this.#makers.keys()])) {
      const code = this.#makers.get(name)?.createCachedData() ?? this.#file?.read(name);
      if (code !== undefined) collected.set(name, code);
    }
    return collected;
  }
}

/** The packages of two projects have the same files at different places. */
function nameOf(path: string): string {
  return `${basename(dirname(path))}/${basename(path)}`;
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
