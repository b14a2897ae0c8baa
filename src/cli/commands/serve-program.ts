import type { Command } from 'commander';
import { addCommand } from '../flags/declare.js';
import { SERVE_FLAGS } from '../flags/store-flags.js';

const SERVE_HELP = `Examples:
  overlayer serve --address /run/overlayer/overlayer.sock
  overlayer serve --print-containerd-config >> /etc/containerd/config.toml
  overlayer serve --print-containerd-config 3 \\
    > /etc/containerd/conf.d/overlayer.toml
  ctr images pull --snapshotter overlayer docker.io/library/debian:12

The package has systemd units with socket activation in dist/daemon/systemd.`;

/** The command of the daemon. */
export function addServe(program: Command): void {
  addCommand(program, {
    name: 'serve',
    summary: 'Serve snapshots, diffs and blobs to containerd.',
    details: 'It is a daemon for the proxy plugins in the configuration of containerd.',
    operands: [],
    flags: SERVE_FLAGS,
    help: SERVE_HELP,
    run: async (_, flags) => {
      const { serve, printContainerdConfig } = await import('./serve.js');
      return await (flags.printContainerdConfig ? printContainerdConfig : serve)(flags);
    },
  });
}
