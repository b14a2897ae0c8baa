import type { Command } from 'commander';
import { parseLabels } from '../../flags/parse-value.js';
import { addReadOptions, progressOption } from '../../flags/read-options.js';
import { addListOptions, onStore } from '../../flags/store-options.js';
import { addDiffOptions } from '../diff-program.js';
import { addSnapshotsCheck } from './snapshots-check.js';

const HELP = `
Without --root it is /var/lib/overlayer for root; for others overlayer in $XDG_DATA_HOME, or in ~/.local/share.

Examples:
  overlayer snapshots unpack base.tar.gz --key base
  overlayer snapshots unpack next.tar.gz --key next --parent base
  overlayer snapshots prepare web next
  overlayer snapshots mount /mnt web
  overlayer snapshots tree`;

const KEY = 'the key of an active snapshot or a view, or the name of a committed one';

/** The commands on snapshots; arguments are in ctr's order. */
export function addSnapshots(program: Command): void {
  const snapshots = program
    .command('snapshots')
    .description('Keep layers as snapshots in parent chains, and mount them.')
    .helpCommand(false)
    .addHelpText('after', HELP);

  addListing(snapshots);
  addChanges(snapshots);
  addMounting(snapshots);
  addSnapshotsCheck(snapshots);

  addDiffOptions(onStore(snapshots, 'diff', 'Make a layer of what a snapshot changes in its parent.'))
    .argument('<KEY>', KEY)
    .action(async (key, flags) => {
      const { diff } = await import('./diff.js');
      process.exitCode = await diff(key, flags);
    });

  const unpack = onStore(snapshots, 'unpack', 'Unpack a layer into a committed snapshot, once.')
    .argument('<LAYER>', 'a file, or - for standard input')
    .requiredOption('--key <KEY>', 'the name of the snapshot; for a layer of an image its chainID')
    .option('--parent <KEY>', 'the snapshot of the layer below')
    .option('--label <LABEL=VALUE>', 'a label; may be repeated', parseLabels)
    .addOption(progressOption());
  addReadOptions(unpack).action(async (layer, flags) => {
    const { unpack: run } = await import('./unpack.js');
    process.exitCode = await run(layer, flags);
  });
}

function addListing(snapshots: Command): void {
  const load = () => import('./listing.js');
  addListOptions(onStore(snapshots, 'ls', 'List snapshots.'), 'kind==active or labels."a.b"~=/^x/').action(
    async (flags) => {
      process.exitCode = await (await load()).ls(flags);
    },
  );
  onStore(snapshots, 'tree', 'List snapshots below their parents.').action(async (flags) => {
    process.exitCode = await (await load()).tree(flags);
  });
  onStore(snapshots, 'info', 'Show kind, parent, times and labels of a snapshot.')
    .argument('<KEY>', KEY)
    .action(async (key, flags) => {
      process.exitCode = await (await load()).info(key, flags);
    });
  onStore(snapshots, 'usage', 'Show what snapshots take on disk, each without its parents.')
    .argument('[KEYS...]', 'all, if there are none')
    .action(async (keys, flags) => {
      process.exitCode = await (await load()).usage(keys, flags);
    });
}

function addChanges(snapshots: Command): void {
  const load = () => import('./changes.js');
  const descriptions = {
    prepare: 'Make an active snapshot, empty or on a parent.',
    view: 'Make a snapshot that can only be read.',
  };
  for (const name of ['prepare', 'view'] as const)
    onStore(snapshots, name, descriptions[name])
      .argument('<KEY>', 'its key')
      .argument('[PARENT]', 'the name of a committed snapshot')
      .option('--label <LABEL=VALUE>', 'a label; may be repeated', parseLabels)
      .action(async (key, parent, flags) => {
        process.exitCode = await (await load())[name](key, parent, flags);
      });
  onStore(snapshots, 'commit', 'End an active snapshot: it can be a parent then.')
    .argument('<NAME>', 'the name it gets')
    .argument('<KEY>', 'the key of the active snapshot')
    .option('--label <LABEL=VALUE>', 'a label; may be repeated', parseLabels)
    .action(async (name, key, flags) => {
      process.exitCode = await (await load()).commit(name, key, flags);
    });
  onStore(snapshots, 'label', 'Set labels of a snapshot.')
    .argument('<KEY>', KEY)
    .argument('<LABEL=VALUE...>', 'without a value the label goes', parseLabels)
    .action(async (key, labels, flags) => {
      process.exitCode = await (await load()).label(key, labels, flags);
    });
  onStore(snapshots, 'rm', 'Remove snapshots that have no children.')
    .argument('<KEYS...>', 'in this order')
    .action(async (keys, flags) => {
      process.exitCode = await (await load()).rm(keys, flags);
    });
  onStore(snapshots, 'cleanup', 'Free what crashes left behind.').action(async (flags) => {
    process.exitCode = await (await load()).cleanup(flags);
  });
}

function addMounting(snapshots: Command): void {
  const load = () => import('./mounting.js');
  const descriptions = {
    mounts: 'Print the commands that mount a snapshot.',
    mount: 'Mount a snapshot.',
  };
  for (const name of ['mounts', 'mount'] as const)
    onStore(snapshots, name, descriptions[name])
      .argument('<TARGET>', 'the directory to mount on')
      .argument('<KEY>', 'the key of an active snapshot or a view')
      .action(async (target, key, flags) => {
        process.exitCode = await (await load())[name](target, key, flags);
      });
  snapshots
    .command('unmount')
    .description('Unmount all that is mounted on a directory and below.')
    .argument('<TARGET>', 'the directory')
    .action(async (target) => {
      process.exitCode = await (await load()).unmount(target);
    });
}
