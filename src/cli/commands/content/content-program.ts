import type { Command } from 'commander';
import { addCommand, addGroup } from '../../flags/declare.js';
import { INGEST_FLAGS } from '../../flags/image-flags.js';
import { listFlags, STORE_FLAGS } from '../../flags/store-flags.js';

const DIGEST = 'sha256: and 64 hexadecimal digits';

const INGEST_HELP = `To continue after an interruption, run the command again with the same REF and
the same bytes from the beginning.

Example:
  overlayer content ingest layer-1 --expected-digest sha256:4f5e… < layer.tar.gz`;

/** The commands on blobs. */
export function addContent(program: Command): void {
  const load = () => import('./blobs.js');
  const content = addGroup(program, 'content', 'Manage the blobs of images: manifests, configs and layers.');
  if (content === undefined) return;
  addCommand(content, {
    name: 'ls',
    summary: 'List blobs.',
    operands: [],
    flags: listFlags('digest', 'labels."a.b"==c'),
    run: async (_, flags) => await (await load()).ls(flags),
  });
  addCommand(content, {
    name: 'get',
    summary: 'Write a blob to standard output.',
    operands: [['<DIGEST>', DIGEST]],
    flags: STORE_FLAGS,
    run: async ([digest], flags) => await (await load()).get(digest, flags),
  });
  addCommand(content, {
    name: 'ingest',
    summary: 'Store standard input as a blob.',
    operands: [['<REF>', 'a name for the transfer']],
    flags: INGEST_FLAGS,
    help: INGEST_HELP,
    run: async ([ref], flags) => await (await load()).ingest(ref, flags),
  });
  addCommand(content, {
    name: 'verify',
    summary: 'Read blobs, and compare them with their digests.',
    operands: [['[DIGESTS...]', 'default: all']],
    flags: STORE_FLAGS,
    run: async ([digests], flags) => await (await load()).verify(digests, flags),
  });
  addCommand(content, {
    name: 'rm',
    summary: 'Delete blobs, even if an image uses them.',
    operands: [['<DIGESTS...>', DIGEST]],
    flags: STORE_FLAGS,
    run: async ([digests], flags) => await (await load()).rm(digests, flags),
  });
  addLeases(content);
  addCommand(content, {
    name: 'prune',
    summary: 'Delete blobs and snapshots that no image or lease uses.',
    operands: [],
    flags: STORE_FLAGS,
    run: async (_, flags) => await (await import('../images/changes.js')).prune(flags),
  });
}

function addLeases(content: Command): void {
  const load = () => import('./leases.js');
  const leases = addGroup(content, 'leases', 'Manage leases, which protect blobs and snapshots from prune.');
  if (leases === undefined) return;
  addCommand(leases, {
    name: 'ls',
    summary: 'List leases.',
    operands: [],
    flags: listFlags('id', 'id==mine'),
    run: async (_, flags) => await (await load()).ls(flags),
  });
  addCommand(leases, {
    name: 'rm',
    summary: 'Remove leases; the next prune may delete what they protected.',
    operands: [['<IDS...>', 'as leases ls prints them']],
    flags: STORE_FLAGS,
    run: async ([ids], flags) => await (await load()).rm(ids, flags),
  });
}
