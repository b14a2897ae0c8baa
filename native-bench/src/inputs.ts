import { existsSync, mkdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Format, inputFile } from './input-files.js';
import { INPUT_TREES, type InputName } from './input-trees.js';
import { INPUTS_DIR } from './paths.js';
import { type Command, run, shell } from './run.js';

/** Makes the missing files of an input. @param scratch a directory for its tree */
export function ensureInput(name: InputName, scratch: string): void {
  const tree = INPUT_TREES[name];
  mkdirSync(INPUTS_DIR, { recursive: true });
  const tar = inputFile(name, 'tar');
  if (!existsSync(tar)) {
    for (const needed of tree.from ?? []) ensureInput(needed, scratch);
    console.error(`making input ${name}: ${tree.definition}`);
    const dir = join(scratch, name);
    mkdirSync(dir);
    tree.make(dir);
    const times = tree.wholeSeconds ? ['--pax-option=delete=atime,delete=ctime,delete=mtime'] : [];
    make(tar, (file) => [
      ...['tar', '--sort=name', '--numeric-owner', '--xattrs', ...times],
      ...['-C', dir, '-cf', file, '.'],
    ]);
    rmSync(dir, { recursive: true });
  }
  make(inputFile(name, 'gzip'), (file) => shell(`gzip -6 -n < ${tar} > ${file}`));
  make(inputFile(name, 'zstd'), (file) => ['zstd', '-q', '-3', tar, '-o', file]);
}

/** The file gets its final name when it is complete. */
function make(file: string, command: (file: string) => Command): void {
  if (existsSync(file)) return;
  const partial = `${file}.partial`;
  rmSync(partial, { force: true });
  run(command(partial));
  renameSync(partial, file);
}

export interface Layer {
  readonly name: InputName;
  /** Bytes of the uncompressed archive. */
  readonly bytes: number;
  readonly entries: number;
  file(format: Format): string;
}

/** Copies an input to `dir`. */
export function loadLayer(
  name: InputName,
  dir: string,
  formats: readonly Format[] = ['tar', 'gzip', 'zstd'],
): Layer {
  ensureInput(name, dir);
  for (const format of formats) run(['cp', inputFile(name, format), dir]);
  const [bytes, entries] = run(
    shell(`stat -c %s ${inputFile(name, 'tar')}; tar -tf ${inputFile(name, 'tar')} | wc -l`),
  )
    .trim()
    .split('\n')
    .map(Number);
  return { name, bytes: bytes!, entries: entries!, file: (format) => inputFile(name, format, dir) };
}

export interface InputSize {
  readonly name: string;
  readonly definition: string;
  readonly entries: number;
  readonly bytes: number;
  readonly gzipBytes: number;
  /** Undefined if no zstd layer is measured. */
  readonly zstdBytes: number | undefined;
}

export function describeLayer(layer: Layer): InputSize {
  const size = (format: Format) => statSync(layer.file(format), { throwIfNoEntry: false })?.size;
  return {
    name: layer.name,
    definition: INPUT_TREES[layer.name].definition,
    entries: layer.entries,
    bytes: layer.bytes,
    gzipBytes: size('gzip')!,
    zstdBytes: size('zstd'),
  };
}

export function unloadLayer(layer: Layer): void {
  for (const format of ['tar', 'gzip', 'zstd'] as const) rmSync(layer.file(format), { force: true });
}
