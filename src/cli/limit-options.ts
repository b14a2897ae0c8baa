import type { Command } from 'commander';
import { parseCount, parseSize } from './parse-value.js';

/** A group by itself, so the last of a command's options. */
export function addLimitOptions(command: Command): Command {
  return command
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
