import { type Command, InvalidArgumentError, Option } from 'commander';
import { progressOption } from '../flags/read-options.js';

const HELP = `
LOWER and UPPER are whole trees; LOWER may be empty. The same trees give the same layer, byte for byte.

Examples:
  overlayer diff before after -o layer.tar.zst
  overlayer diff before after | ssh host overlayer unpack --merge - rootfs
  SOURCE_DATE_EPOCH=1700000000 overlayer diff empty rootfs -o layer.tar.gz`;

export function addDiff(program: Command): void {
  const diff = program
    .command('diff')
    .description('Make a layer of the difference between two trees.')
    .argument('<LOWER>', 'the directory that the layer is to be applied to')
    .argument('<UPPER>', 'the directory that is to come of it')
    .option('--json', 'print the result as one JSON document');
  addDiffOptions(diff)
    .addHelpText('after', HELP)
    .action(async (lower, upper, flags) => {
      const { diff: run } = await import('./diff.js');
      process.exitCode = await run(lower, upper, flags);
    });
}

/** Options of every command that makes a layer. */
export function addDiffOptions(command: Command): Command {
  return command
    .option('-o, --output <FILE>', 'the layer, or - for standard output', '-')
    .addOption(
      new Option(
        '--compression <FORM>',
        "of the layer (as the file's name ends: .tar, .tar.gz, .tar.zst; else gzip)",
      ).choices(['none', 'gzip', 'zstd']),
    )
    .addOption(epochOption())
    .addOption(progressOption());
}

function epochOption(): Option {
  const option = new Option(
    '--source-date-epoch <SECONDS>',
    'no modification time is later, in seconds since 1970',
  ).argParser(parseEpoch);
  // An empty variable is as good as none.
  return process.env['SOURCE_DATE_EPOCH'] === '' ? option : option.env('SOURCE_DATE_EPOCH');
}

function parseEpoch(text: string): Date {
  const time = new Date(Number(text) * 1000);
  if (!/^\d+$/.test(text) || Number.isNaN(time.getTime()))
    throw new InvalidArgumentError('It should be a number of seconds since 1970.');
  return time;
}
