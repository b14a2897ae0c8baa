import { Command } from 'commander';
import { EXIT_CODE_HELP } from './exit-code.js';
import { declareOnly, HELP_COMMAND } from './flags/declare.js';

const PROGRAM_HELP = `
Examples:
  overlayer unpack layer.tar.gz rootfs
  overlayer unpack --target overlay --lower base layer.tar.zst upper
  curl -sL https://example.org/layer.tar.gz | overlayer unpack - rootfs
  overlayer inspect layer.tar.gz
  overlayer diff before after -o layer.tar.gz
  overlayer pull debian:12
  overlayer mount --rw debian:12 /mnt
  overlayer commit /mnt mine:1 --cmd '["/app"]'
  overlayer snapshots unpack layer.tar.gz --key base
  overlayer serve --address /run/overlayer/overlayer.sock
  source <(overlayer completion bash)

${EXIT_CODE_HELP}

Environment:
  OVERLAYER_ROOT     the default of --root
  OVERLAYER_GZIP     the default of --gzip
  OVERLAYER_DEBUG    1 prints the stack trace of an error`;

const COMPLETION_HELP = `
Examples:
  echo 'source <(overlayer completion bash)' >> ~/.bashrc
  overlayer completion zsh > "\${fpath[1]}/_overlayer"
  overlayer completion fish > ~/.config/fish/completions/overlayer.fish`;

/** A part of the commands, and the first words of the command line for which it is loaded. */
interface Part {
  readonly words: readonly string[];
  readonly load: () => Promise<(program: Command) => void>;
}

const IMAGES = [
  'pull',
  'import',
  'export',
  'push',
  'copy',
  'convert',
  'mount',
  'unmount',
  'bundle',
  'images',
];
const BUILDING = ['commit', 'append', 'squash', 'rebase', 'config'];

/** In the order of the help. */
const PARTS: readonly Part[] = [
  {
    words: ['unpack', 'inspect', 'diff', 'layer'],
    load: async () => (await import('./commands/layer-program.js')).addLayerCommands,
  },
  {
    words: [...IMAGES, ...BUILDING],
    load: async () => (await import('./commands/images/images-program.js')).addImages,
  },
  {
    words: ['explore', 'files', 'cat'],
    load: async () => (await import('./commands/look-program.js')).addLookCommands,
  },
  {
    words: ['content'],
    load: async () => (await import('./commands/content/content-program.js')).addContent,
  },
  {
    words: ['snapshots'],
    load: async () => (await import('./commands/snapshots/snapshots-program.js')).addSnapshots,
  },
  { words: ['serve'], load: async () => (await import('./commands/serve-program.js')).addServe },
];

/**
 * The command line. Each command loads its code when it runs.
 *
 * @param path the names of the only command that is declared. The program may lack it if it is not a word of `PARTS`
 * @default path all commands
 */
export async function createProgram(version: string, path: readonly string[] = []): Promise<Command> {
  const program = new Command('overlayer')
    .description('Turns container image layers into root filesystems.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', HELP_COMMAND)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', PROGRAM_HELP);
  declareOnly(program, path);
  for (const { words, load } of PARTS)
    if (path[0] === undefined || words.includes(path[0])) (await load())(program);
  program
    .command('completion')
    .description('Print a script that completes overlayer commands in a shell.')
    .addArgument(program.createArgument('<SHELL>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', COMPLETION_HELP)
    .action(async (shell) => {
      const { printCompletion } = await import('./commands/completion.js');
      printCompletion(await createProgram(version), shell);
    });
  return program;
}
