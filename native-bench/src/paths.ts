import { join } from 'node:path';

export const BENCH_DIR = join(import.meta.dirname, '..');
export const ROOT_DIR = join(BENCH_DIR, '..');
export const RESULTS_DIR = join(BENCH_DIR, 'results');
/** Kept on disk between runs, and copied to memory to be measured. */
export const INPUTS_DIR = process.env['OVERLAYER_BENCH_INPUTS'] ?? join(BENCH_DIR, 'inputs');

export const OVERLAYER = [process.execPath, join(ROOT_DIR, 'dist/cli/main.cjs')];

export function script(name: string): string[] {
  return [process.execPath, join(BENCH_DIR, 'scripts', `${name}.mjs`)];
}
