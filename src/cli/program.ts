import { Command, Option } from 'commander';
import { addContent } from './commands/content/content-program.js';
import { addDiff } from './commands/diff-program.js';
import { addImages } from './commands/images/images-program.js';
import { addServe } from './commands/serve-program.js';
import { addSnapshots } from './commands/snapshots/snapshots-program.js';
import { EXIT_CODE_HELP } from './exit-code.js';
import { collect } from './flags/parse-value.js';
import { addReadOptions, progressOption } from './flags/read-options.js';
import { addRegistryOptions, platformOption } from './flags/store-options.js';

const SIZE_HELP = `Sizes are bytes, or take a unit: K, M, G, T (or KiB, MiB …) count by 1024, KB, MB, GB, TB by 1000.`;

const PROGRAM_HELP = `
Examples:
  overlayer unpack layer.tar.gz rootfs
  overlayer unpack --target overlay --lower base layer.tar.zst upper
  curl -sL https://example.org/layer.tar.gz | overlayer unpack - rootfs
  overlayer inspect layer.tar.gz
  overlayer diff before after -o layer.tar.gz
  overlayer pull debian:12
  overlayer mount debian:12 /mnt
  overlayer snapshots unpack layer.tar.gz --key base
  overlayer serve --address /run/overlayer/overlayer.sock
  source <(overlayer completion bash)

${EXIT_CODE_HELP}

Environment:
  OVERLAYER_ROOT     where images and snapshots are, as by --root
  OVERLAYER_GZIP     the gzip decoder, as by --gzip
  OVERLAYER_DEBUG    1 adds the stack trace to an error`;

const UNPACK_HELP = `
${SIZE_HELP}

Examples:
  overlayer unpack layer.tar.gz rootfs
  overlayer unpack --diff-id sha256:4f5e… layer.tar.zst rootfs
  overlayer unpack --target overlay --lower layer2 --lower layer1 layer3.tar upper
  overlayer unpack --dry-run layer.tar.gz rootfs
  overlayer unpack image.tar rootfs
  overlayer unpack --platform linux/arm64 docker://debian:12 rootfs

A failure leaves nothing behind, except with --merge: then DEST keeps what was written to it until then.`;

/** `--dry-run` and the like, as they stand on the command line. */
function givenOptions(command: Command): string[] {
  const given = command.options.filter(
    (option) => command.getOptionValueSource(option.attributeName()) === 'cli',
  );
  return given.flatMap(({ long }) => long ?? []);
}

/** Options of the commands that take an image as well as a layer. */
function addImageOptions(command: Command): Command {
  return addRegistryOptions(command.optionsGroup('Images:'))
    .addOption(platformOption())
    .option('--image <NAME>', 'which one, where there are several: its name or its digest');
}

/** Everything a user can say. What a command needs to run is loaded when it runs. */
export function createProgram(version: string): Command {
  const program = new Command('overlayer')
    .description('Turns container image layers into root filesystems.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand(false)
    .addHelpText('after', PROGRAM_HELP);

  const unpack = program
    .command('unpack')
    .description(
      'Unpack a layer (tar, gzip or zstd, seen from its content), or a whole image, into a directory.',
    )
    .argument('<LAYER>', 'a layer or an image: a file, an OCI layout, docker://REF, or - for standard input')
    .argument('<DEST>', 'the directory to make; it may exist and be empty')
    .addOption(
      new Option('--target <FORM>', 'a merged tree, or an upperdir for overlayfs')
        .choices(['directory', 'overlay'])
        .default('directory'),
    )
    .option('--rootless', 'do without privileges (the default unless root)')
    .option('--no-rootless', 'use privileges (the default for root)')
    .option('--lower <DIR>', 'directory of a lower layer, nearest first; may be repeated', collect)
    .option('--merge', 'write into a destination that is not empty')
    .option('--no-sync', 'do not flush the file system before the destination appears')
    .option('--dry-run', 'print what would be done, and each anomaly; write nothing')
    .addOption(progressOption())
    .option('--no-digests', 'do not compute digests')
    .option('--json', 'print the result as one JSON document');
  addImageOptions(addReadOptions(unpack))
    .addHelpText('after', UNPACK_HELP)
    .action(async (layer, destination, flags, command) => {
      const { unpack: run } = await import('./commands/unpack.js');
      process.exitCode = await run(layer, destination, { ...flags, given: givenOptions(command) });
    });

  const inspect = program
    .command('inspect')
    .description('List the entries of a layer, its whiteouts and anomalies; or what an image is made of.')
    .argument('<LAYER>', 'a layer or an image: a file, an OCI layout, docker://REF, or - for standard input')
    .option('--no-digests', 'do not compute digests')
    .option('--json', 'print the result as one JSON document');
  addImageOptions(addReadOptions(inspect))
    .addHelpText('after', `\n${SIZE_HELP}`)
    .action(async (layer, flags, command) => {
      const { inspect: run } = await import('./commands/inspect.js');
      process.exitCode = await run(layer, { ...flags, given: givenOptions(command) });
    });

  addDiff(program);
  addImages(program);
  addContent(program);
  addSnapshots(program);
  addServe(program);

  program
    .command('completion')
    .description('Print a script that completes overlayer commands in a shell.')
    .addArgument(program.createArgument('<SHELL>').choices(['bash', 'zsh', 'fish']))
    .addHelpText(
      'after',
      `
Examples:
  echo 'source <(overlayer completion bash)' >> ~/.bashrc
  overlayer completion zsh > "\${fpath[1]}/_overlayer"
  overlayer completion fish > ~/.config/fish/completions/overlayer.fish`,
    )
    .action(async (shell) => {
      const { completion } = await import('./commands/completion.js');
      completion(program, shell);
    });
  return program;
}
