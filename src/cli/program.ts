import { Command } from 'commander';
import { addContent } from './commands/content/content-program.js';
import { addImages } from './commands/images/images-program.js';
import { addLayerCommands, addLookCommands } from './commands/layer-program.js';
import { addSnapshots } from './commands/snapshots/snapshots-program.js';
import { EXIT_CODE_HELP } from './exit-code.js';
import { addCommand, declareOnly, HELP_COMMAND } from './flags/declare.js';
import { SERVE_FLAGS } from './flags/store-flags.js';

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

const SERVE_HELP = `Examples:
  overlayer serve --address /run/overlayer/overlayer.sock
  overlayer serve --print-containerd-config >> /etc/containerd/config.toml
  overlayer serve --print-containerd-config 3 \\
    > /etc/containerd/conf.d/overlayer.toml
  ctr images pull --snapshotter overlayer docker.io/library/debian:12

The package has systemd units with socket activation in dist/daemon/systemd.`;

const COMPLETION_HELP = `
Examples:
  echo 'source <(overlayer completion bash)' >> ~/.bashrc
  overlayer completion zsh > "\${fpath[1]}/_overlayer"
  overlayer completion fish > ~/.config/fish/completions/overlayer.fish`;

/**
 * The command line. Each command loads its code when it runs.
 *
 * @param path the names of the only command that is declared
 * @default path all commands
 */
export function createProgram(version: string, path: readonly string[] = []): Command {
  const program = new Command('overlayer')
    .description('Turns container image layers into root filesystems.')
    .version(version, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', HELP_COMMAND)
    .configureHelp({ subcommandTerm: (command) => command.name() })
    .addHelpText('after', PROGRAM_HELP);
  declareOnly(program, path);
  addLayerCommands(program);
  addImages(program);
  addLookCommands(program);
  addContent(program);
  addSnapshots(program);
  addCommand(program, {
    name: 'serve',
    summary: 'Serve snapshots, diffs and blobs to containerd.',
    details: 'It is a daemon for the proxy plugins in the configuration of containerd.',
    operands: [],
    flags: SERVE_FLAGS,
    help: SERVE_HELP,
    run: async (_, flags) => {
      const { serve, printContainerdConfig } = await import('./commands/serve.js');
      return await (flags.printContainerdConfig ? printContainerdConfig : serve)(flags);
    },
  });
  program
    .command('completion')
    .description('Print a script that completes overlayer commands in a shell.')
    .addArgument(program.createArgument('<SHELL>').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', COMPLETION_HELP)
    .action(async (shell) => {
      const { printCompletion } = await import('./commands/completion.js');
      printCompletion(createProgram(version), shell);
    });
  return program;
}
