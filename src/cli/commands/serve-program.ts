import { type Command, Option } from 'commander';

const HELP = `
Examples:
  overlayer serve --address /run/overlayer/overlayer.sock
  overlayer serve --print-containerd-config >> /etc/containerd/config.toml
  overlayer serve --print-containerd-config 3 > /etc/containerd/conf.d/overlayer.toml
  ctr images pull --snapshotter overlayer docker.io/library/debian:12

Files for systemd, with socket activation, are in dist/daemon/systemd of the package.`;

/** The daemon. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('Serve snapshots, a differ and a content store to containerd, as its proxy plugins.')
    .option('--address <SOCKET>', 'the unix socket (the one that systemd hands over)')
    .option(
      '--root <DIR>',
      "where the snapshots are, which are to be the daemon's own (/var/lib/overlayer-containerd)",
    )
    .addOption(
      new Option(
        '--backend <BACKEND>',
        'how snapshots are laid out: overlayfs layers, or whole trees',
      ).choices(['overlay', 'native']),
    )
    .option('--name <NAME>', "the snapshotter's name in containerd's configuration (overlayer)")
    .option(
      '--containerd-address <SOCKET>',
      "containerd's own socket, for the layers' blobs (/run/containerd/containerd.sock)",
    )
    .option('--metrics <HOST:PORT>', 'where Prometheus may ask for /metrics')
    .addOption(
      new Option('--log <FORM>', 'lines on standard error').choices(['text', 'json']).default('text'),
    )
    .addOption(
      new Option(
        '--print-containerd-config [VERSION]',
        "print the part of containerd's configuration that names the daemon; of a VERSION, a file of its own",
      ).choices(['2', '3', '4']),
    )
    .option(
      '--only-remap-ids',
      'printed as a capability: containers in user namespaces whose owners no mount can map are refused, not copied',
    )
    .addHelpText('after', HELP)
    .action(async (flags) => {
      const { serve, printContainerdConfig } = await import('./serve.js');
      process.exitCode = await (flags.printContainerdConfig ? printContainerdConfig : serve)(flags);
    });
}
