import { type Command, Option } from 'commander';
import { parseCount, parseSize } from './parse-value.js';

/** Options of every command that reads a layer. */
export function addReadOptions(command: Command): Command {
  return command
    .option('--digest <DIGEST>', 'fail unless the bytes of LAYER have this digest')
    .option('--diff-id <DIGEST>', 'fail unless the uncompressed bytes have this digest')
    .option('--allow-empty', 'take nothing at all for an empty layer, without a digest that says so')
    .addOption(
      new Option('--gzip <DECODER>', 'use this gzip decoder instead of the fastest there is').choices([
        'isal',
        'zlib',
      ]),
    )
    .optionsGroup('Limits (a layer that passes one fails):')
    .option('--max-bytes <SIZE>', 'uncompressed bytes (64G)', parseSize)
    .option('--max-ratio <N>', 'uncompressed bytes for each compressed byte (1000)', parseCount)
    .option('--max-window <SIZE>', 'memory that decompressing zstd may take (256M)', parseSize)
    .option('--max-entries <N>', 'entries (2000000)', parseCount)
    .option('--max-path-length <SIZE>', "bytes of an entry's name or link target (4096)", parseSize)
    .option('--max-path-depth <N>', "components of an entry's name (256)", parseCount)
    .option('--max-header-bytes <SIZE>', 'bytes of an extension header (1M)', parseSize)
    .option('--max-xattr-bytes <SIZE>', "bytes of an entry's extended attributes (256K)", parseSize)
    .option('--max-work <N>', 'calls to the kernel for each entry, on average (64)', parseCount)
    .option('--max-memory <SIZE>', 'memory for what is known of the entries (512M)', parseSize);
}

export function progressOption(): Option {
  return new Option(
    '--progress <FORM>',
    'progress on standard error; auto is a bar on a terminal, else plain',
  )
    .choices(['auto', 'plain', 'json', 'none'])
    .default('auto');
}
