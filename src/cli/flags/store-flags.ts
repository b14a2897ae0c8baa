import { collect, flag, parseLabels, type ValuesOf, withDefault } from './declare.js';

const BACKEND = flag(
  '--backend <BACKEND>',
  'overlay: a directory for each layer; native: a complete tree for each snapshot; erofs: one file for each layer (default: as before; at first overlay, where overlayfs works)',
  ['overlay', 'native', 'erofs'],
);
export const ROOT = flag(
  '--root <DIR>',
  'the directory of images and snapshots (default: OVERLAYER_ROOT, else /var/lib/overlayer for root, ~/.local/share/overlayer for others)',
);
export const JSON_OUTPUT = flag('--json', 'print the result as one JSON document');

/** Options of every command that opens a store. */
export const STORE_FLAGS = [ROOT, BACKEND, JSON_OUTPUT] as const;
export type StoreFlags = ValuesOf<typeof STORE_FLAGS>;

const PROGRESS_FORMS = ['auto', 'plain', 'json', 'none'] as const;
export type ProgressForm = (typeof PROGRESS_FORMS)[number];

/** @param bars what a terminal shows */
export const progressFlag = (bars: string) =>
  withDefault(
    flag(
      '--progress <FORM>',
      `progress on standard error; auto is ${bars} on a terminal, else plain`,
      PROGRESS_FORMS,
    ),
    'auto',
  );

/** @param field one that the items have */
export const formatFlag = (field: string) =>
  flag('--format <TEMPLATE>', `print fields, as docker does: {{.${field}}}, {{json .labels}}`);

/** Options of the commands that list something. @param field names an item @param filter an example */
export const listFlags = (field: string, filter: string) =>
  [
    ...STORE_FLAGS,
    flag('-q, --quiet', `print only each ${field}`),
    flag('--filter <FILTER>', `list only what matches, such as ${filter}; repeat for alternatives`, collect),
    formatFlag(field).conflicts(['quiet', 'json']),
  ] as const;
export type ListFlags = ValuesOf<ReturnType<typeof listFlags>>;

/** Options of `snapshots prepare`, `view` and `commit`. */
export const LABEL_FLAGS = [
  ...STORE_FLAGS,
  flag('--label <LABEL=VALUE>', 'set a label; may be repeated', parseLabels),
] as const;
export type LabelFlags = ValuesOf<typeof LABEL_FLAGS>;

export const REMOVE_SNAPSHOT_FLAGS = [
  ...STORE_FLAGS,
  flag('--force', 'remove a snapshot even if it is mounted'),
] as const;
export type RemoveSnapshotFlags = ValuesOf<typeof REMOVE_SNAPSHOT_FLAGS>;

export const CHECK_FLAGS = [
  ROOT,
  flag('--quick', 'check files without reading their contents'),
  flag('--repair', 'replace damaged files from the layers'),
  flag('--layer <FILE>', 'a layer to repair from; may be repeated', collect),
  flag('--prune', 'delete what belongs to no snapshot'),
  flag('--dry-run', 'change nothing; print what would be done'),
  flag('--rebuild', 'first rebuild damaged or lost metadata from the directories').conflicts('dryRun'),
  progressFlag('one line'),
  JSON_OUTPUT,
] as const;
export type CheckFlags = ValuesOf<typeof CHECK_FLAGS>;

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
    'print a configuration that refuses user namespaces for which layers would be copied',
  ),
] as const;
export type ServeFlags = ValuesOf<typeof SERVE_FLAGS>;
