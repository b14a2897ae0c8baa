import { join } from 'node:path';
import { INPUTS_DIR } from './paths.js';

export type Format = 'tar' | 'gzip' | 'zstd';

const SUFFIX: Readonly<Record<Format, string>> = { tar: 'tar', gzip: 'tar.gz', zstd: 'tar.zst' };

export function inputFile(name: string, format: Format, dir = INPUTS_DIR): string {
  return join(dir, `${name}.${SUFFIX[format]}`);
}
