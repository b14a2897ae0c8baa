import { flag, type ValuesOf, withDefault } from './declare.js';
import { BACKEND } from './store-flags.js';

export const SERVE_FLAGS = [
  flag('--address <SOCKET>', 'the unix socket to listen on (default: the one systemd passes)'),
  flag('--root <DIR>', 'the directory of snapshots (default: /var/lib/overlayer-containerd)'),
  BACKEND,
  flag('--name <NAME>', "the snapshotter's name in containerd (default: overlayer)"),
  flag(
    '--containerd-address <SOCKET>',
    "containerd's socket, to read layers (default: /run/containerd/containerd.sock)",
  ),
  flag('--metrics <HOST:PORT>', 'serve /metrics to Prometheus on this address'),
  withDefault(flag('--log <FORM>', 'the form of log lines on standard error', ['text', 'json']), 'text'),
  flag(
    '--print-containerd-config [VERSION]',
    "print a section for containerd's configuration, or with VERSION a complete file",
    ['2', '3', '4'],
  ),
  flag(
    '--only-remap-ids',
    'print a capability: refuse user namespaces that need copies of layers, instead of making the copies',
  ),
] as const;
export type ServeFlags = ValuesOf<typeof SERVE_FLAGS>;
