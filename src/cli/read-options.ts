import { type Command, Option } from 'commander';
import { addLimitOptions } from './limit-options.js';

/** Options of every command that reads a layer. */
export function addReadOptions(command: Command): Command {
  const reading = command
    .option('--digest <DIGEST>', 'fail unless the bytes of LAYER have this digest')
    .option('--diff-id <DIGEST>', 'fail unless the uncompressed bytes have this digest')
    .option('--allow-empty', 'take nothing at all for an empty layer, without a digest that says so')
    .addOption(
      new Option('--gzip <DECODER>', 'use this gzip decoder instead of the fastest there is').choices([
        'isal',
        'zlib',
      ]),
    );
  return addLimitOptions(reading);
}

export function progressOption(): Option {
  return new Option(
    '--progress <FORM>',
    'progress on standard error; auto is a bar on a terminal, else plain',
  )
    .choices(['auto', 'plain', 'json', 'none'])
    .default('auto');
}
