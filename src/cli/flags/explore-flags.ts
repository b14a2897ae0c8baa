import { InvalidArgumentError } from 'commander';
import { flag, grouped, parseSize, type ValuesOf } from './declare.js';
import { IMAGE_FLAGS, LIMIT_FLAGS } from './layer-flags.js';
import { JSON_OUTPUT, progressFlag, ROOT } from './store-flags.js';

/** Options of the commands that look into an image. */
const LOOK_FLAGS = [
  JSON_OUTPUT,
  ROOT,
  progressFlag('a line for each layer'),
  ...IMAGE_FLAGS,
  ...LIMIT_FLAGS,
] as const;
export type LookFlags = ValuesOf<typeof LOOK_FLAGS>;

const CHECK_FLAGS = grouped('Checks (exit code 1 if one fails):', [
  flag('--ci', 'print the report, and check that the efficiency is at least 0.9'),
  flag('--min-efficiency <RATIO>', 'a number from 0 to 1', parseRatio),
  flag('--max-wasted <SIZE>', 'bytes of files that are in layers, and not in the image', parseSize),
  flag('--max-size <SIZE>', 'bytes of the files of the image', parseSize),
  flag('--max-setuid <N>', 'files with the bits setuid or setgid', parseNumber),
]);

export const EXPLORE_FLAGS = [
  flag('--compare <IMAGE>', 'show what another image has in another way: added, changed, removed'),
  flag('--html <FILE>', 'write one page with all of it: a map, layers, waste, search'),
  ...CHECK_FLAGS,
  ...LOOK_FLAGS,
] as const;
export type ExploreFlags = ValuesOf<typeof EXPLORE_FLAGS>;

/** Options of `files`. */
export const FILES_FLAGS = [
  flag('--layer <N>', 'list what this layer changed; the lowest layer is 0', parseNumber),
  flag('--history <PATH>', 'list what each layer did to this path').conflicts('layer'),
  ...LOOK_FLAGS,
] as const;
export type FilesFlags = ValuesOf<typeof FILES_FLAGS>;

const [, ...CAT_LOOK_FLAGS] = LOOK_FLAGS;
/** Options of `cat`, which prints bytes and no document. */
export const CAT_FLAGS = CAT_LOOK_FLAGS;
export type CatFlags = ValuesOf<typeof CAT_FLAGS>;

function parseRatio(text: string): number {
  const ratio = Number(text);
  if (!/^\d*\.?\d+$/.test(text) || ratio > 1)
    throw new InvalidArgumentError('It should be a number from 0 to 1, such as 0.95.');
  return ratio;
}

function parseNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It should be a whole number.');
  return Number(text);
}
