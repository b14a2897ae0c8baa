import type { Command } from 'commander';
import { addCommand, addGroup, parseLabels } from '../../flags/declare.js';
import { DIFF_SNAPSHOT_FLAGS, UNPACK_SNAPSHOT_FLAGS } from '../../flags/layer-flags.js';
import {
  CHECK_FLAGS,
  LABEL_FLAGS,
  listFlags,
  REMOVE_SNAPSHOT_FLAGS,
  STORE_FLAGS,
} from '../../flags/store-flags.js';

const HELP = `
The default of --root is /var/lib/overlayer for root, and for other users
overlayer in $XDG_DATA_HOME or ~/.local/share.

Examples:
  overlayer snapshots unpack base.tar.gz --key base
  overlayer snapshots unpack next.tar.gz --key next --parent base
  overlayer snapshots prepare web next
  overlayer snapshots mount /mnt web
  overlayer snapshots tree`;

const CHECK_HELP = `Each committed snapshot has a manifest, with which check compares the files. A
layer file (--backend erofs) is compared with the digests in it instead.
--layer repairs the snapshots whose manifest or name (chainID) belongs to that
layer.

Examples:
  overlayer snapshots check --quick
  overlayer snapshots check --repair --layer base.tar.gz --layer app.tar.gz
  overlayer snapshots check --prune --dry-run
  overlayer snapshots check --rebuild

The exit code is 15 (DataLoss) if damage remains. Files that belong to no
snapshot are not damage.`;

const KEY = 'the key of an active snapshot or a view, or the name of a committed one';
const ACTIVE_OR_VIEW = 'the key of an active snapshot or a view';

/** The commands on snapshots. Arguments are in the order of ctr's. */
export function addSnapshots(program: Command): void {
  const snapshots = addGroup(program, 'snapshots', 'Manage snapshots: layers, unpacked and stacked.');
  if (snapshots === undefined) return;
  snapshots.addHelpText('after', HELP);
  addListing(snapshots);
  addChanges(snapshots);
  addMounting(snapshots);
  addCommand(snapshots, {
    name: 'check',
    summary: 'Compare snapshots with what is on disk, and repair them.',
    operands: [],
    flags: CHECK_FLAGS,
    help: CHECK_HELP,
    run: async (_, flags) => await (await import('./check.js')).check(flags),
  });
  addCommand(snapshots, {
    name: 'diff',
    summary: 'Make a layer from the changes of a snapshot to its parent.',
    operands: [['<KEY>', KEY]],
    flags: DIFF_SNAPSHOT_FLAGS,
    run: async ([key], flags) => await (await import('../diff.js')).diffOfSnapshot(key, flags),
  });
  addCommand(snapshots, {
    name: 'unpack',
    summary: 'Unpack a layer into a committed snapshot.',
    details: 'If the snapshot already exists, it must have been made from this layer.',
    operands: [['<LAYER>', 'a file, or - for standard input']],
    flags: UNPACK_SNAPSHOT_FLAGS,
    run: async ([layer], flags) => await (await import('./unpack.js')).unpack(layer, flags),
  });
}

function addListing(snapshots: Command): void {
  const load = () => import('./listing.js');
  addCommand(snapshots, {
    name: 'ls',
    summary: 'List snapshots.',
    operands: [],
    flags: listFlags('name', 'kind==active'),
    run: async (_, flags) => await (await load()).ls(flags),
  });
  addCommand(snapshots, {
    name: 'tree',
    summary: 'List snapshots below their parents.',
    operands: [],
    flags: STORE_FLAGS,
    run: async (_, flags) => await (await load()).tree(flags),
  });
  addCommand(snapshots, {
    name: 'info',
    summary: 'Show the kind, parent, times and labels of a snapshot.',
    operands: [['<KEY>', KEY]],
    flags: STORE_FLAGS,
    run: async ([key], flags) => await (await load()).info(key, flags),
  });
  addCommand(snapshots, {
    name: 'usage',
    summary: 'Show the disk usage of snapshots, each without its parents.',
    operands: [['[KEYS...]', 'default: all']],
    flags: STORE_FLAGS,
    run: async ([keys], flags) => await (await load()).usage(keys, flags),
  });
}

function addChanges(snapshots: Command): void {
  const load = () => import('./changes.js');
  const summaries = {
    prepare: 'Create an active snapshot, which can be written to.',
    view: 'Create a read-only view of a committed snapshot.',
  };
  for (const name of ['prepare', 'view'] as const)
    addCommand(snapshots, {
      name,
      summary: summaries[name],
      operands: [
        ['<KEY>', 'the key of the new snapshot'],
        ['[PARENT]', 'the name of a committed snapshot (default: none, it is empty)'],
      ],
      flags: LABEL_FLAGS,
      run: async ([key, parent], flags) => await (await load())[name](key, parent, flags),
    });
  addCommand(snapshots, {
    name: 'commit',
    summary: 'Make an active snapshot permanent, so that it can be a parent.',
    operands: [
      ['<NAME>', 'the name of the committed snapshot'],
      ['<KEY>', 'the key of the active snapshot'],
    ],
    flags: LABEL_FLAGS,
    run: async ([name, key], flags) => await (await load()).commit(name, key, flags),
  });
  addCommand(snapshots, {
    name: 'label',
    summary: 'Set or remove labels of a snapshot.',
    operands: [
      ['<KEY>', KEY],
      ['<LABEL=VALUE...>', 'an empty value removes the label', parseLabels],
    ],
    flags: STORE_FLAGS,
    run: async ([key, labels], flags) => await (await load()).label(key, labels, flags),
  });
  addCommand(snapshots, {
    name: 'rm',
    summary: 'Remove snapshots that have no children.',
    operands: [['<KEYS...>', 'removed in this order']],
    flags: REMOVE_SNAPSHOT_FLAGS,
    run: async ([keys], flags) => await (await load()).rm(keys, flags),
  });
  addCommand(snapshots, {
    name: 'cleanup',
    summary: 'Delete files that removed snapshots and crashes left behind.',
    operands: [],
    flags: STORE_FLAGS,
    run: async (_, flags) => await (await load()).cleanup(flags),
  });
}

function addMounting(snapshots: Command): void {
  const load = () => import('./mounting.js');
  const summaries = {
    mounts: 'Print the commands that mount a snapshot.',
    mount: 'Mount a snapshot.',
  };
  for (const name of ['mounts', 'mount'] as const)
    addCommand(snapshots, {
      name,
      summary: summaries[name],
      operands: [
        ['<TARGET>', 'the directory to mount on'],
        ['<KEY>', ACTIVE_OR_VIEW],
      ],
      flags: STORE_FLAGS,
      run: async ([target, key], flags) => await (await load())[name](target, key, flags),
    });
  addCommand(snapshots, {
    name: 'unmount',
    summary: 'Unmount everything on a directory and below it.',
    operands: [['<TARGET>', 'the directory']],
    flags: [],
    run: async ([target]) => await (await load()).unmount(target),
  });
}
