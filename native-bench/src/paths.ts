import { join } from 'node:path';

export const BENCH_DIR = join(import.meta.dirname, '../../..');
export const ROOT_DIR = join(BENCH_DIR, '..');
export const RESULTS_DIR = join(BENCH_DIR, 'results');
/** Kept on disk between runs, and copied to memory to be measured. */
export const INPUTS_DIR = process.env['OVERLAYER_BENCH_INPUTS'] ?? join(BENCH_DIR, 'inputs');

export const OVERLAYER = overlayerOn(process.execPath);

/** The command line on another release of Node.js. */
export function overlayerOn(node: string): string[] {
  return [node, join(ROOT_DIR, 'dist/cli/main.cjs')];
}

export function script(name: string, node = process.execPath): string[] {
  return [node, join(BENCH_DIR, 'scripts', `${name}.mjs`)];
}
