import { execFileSync } from 'node:child_process';
import { existsSync, linkSync, mkdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Mount, type SnapshotBackend, serve } from '../../src/index.js';
import { chainIDs } from '../../src/oci/chain-ids.js';
import type { DiffID } from '../../src/oci/digest.js';
import { DIFF_ID_LABEL, PARENT_CHAIN_ID_LABEL, SNAPSHOT_REF_LABEL } from '../../src/snapshot/labels.js';
import { layerFileOf } from '../../src/snapshot/store/layer-files.js';

// A daemon whose backend packs each layer into an EROFS file by mkfs.erofs when it is committed:
// node packing-daemon-program.mjs ROOT ADDRESS CONTAINERD MKFS DIFF_IDS

const [root, address, containerd, mkfs, diffIDs] = process.argv.slice(2) as [
  string,
  string,
  string,
  string,
  string,
];

/** What committed snapshots are called, by the names of their directories. */
const names = new Map<string, string>();

const treeOf = (directory: string) => join(directory, 'fs');
const mountOf = (directory: string): Mount => ({
  type: 'erofs',
  source: layerFileOf(directory),
  options: ['ro'],
});
const sharedFile = (diffID: string) => join(root, 'layers', `${diffID.slice('sha256:'.length)}.erofs`);

const backend: SnapshotBackend = {
  name: 'packing',
  capabilities: ['rebase', 'remap-ids'],

  async create({ directory, kind, labels }) {
    mkdirSync(treeOf(directory), { mode: 0o755 });
    if (kind === 'view') return undefined;
    mkdirSync(join(directory, 'work'));
    const wanted = labels[DIFF_ID_LABEL];
    if (wanted === undefined || !existsSync(sharedFile(wanted))) return undefined;
    linkSync(sharedFile(wanted), layerFileOf(directory));
    return 'staged';
  },

  mounts({ directory, parents, kind, labels, readOnly }) {
    if (kind === 'active' && readOnly) return [mountOf(directory)];
    const upperdir = `upperdir=${treeOf(directory)}`;
    if (parents.length === 0)
      return labels[PARENT_CHAIN_ID_LABEL] === undefined
        ? [{ type: 'bind', source: treeOf(directory), options: [readOnly ? 'ro' : 'rw', 'rbind'] }]
        : [{ type: 'overlay', source: 'overlay', options: [upperdir] }];
    const layers = parents.map(mountOf);
    if (kind === 'view' && layers.length === 1) return layers;
    const lowerdir = layers.length === 1 ? '{{ mount 0 }}' : `{{ overlay 0 ${layers.length - 1} }}`;
    const upper = kind === 'view' ? [] : [`workdir=${directory}/work`, upperdir];
    const options = [...upper, `lowerdir=${lowerdir}`, 'index=off'];
    return [...layers, { type: 'format/overlay', source: 'overlay', options }];
  },

  usage: async () => ({ bytes: 0, inodes: 1 }),

  async sync({ directory, parents, labels }) {
    const name = labels[SNAPSHOT_REF_LABEL] ?? '';
    names.set(basename(directory), name);
    const file = layerFileOf(directory);
    if (existsSync(file)) return;
    execFileSync(mkfs, [file, treeOf(directory)], { stdio: 'ignore' });
    // The diffID is the one that gives the name.
    const below = parents.slice(0, 1).map((parent) => names.get(basename(parent)) as DiffID);
    const known: DiffID[] = existsSync(diffIDs) ? JSON.parse(readFileSync(diffIDs, 'utf8')) : [];
    const diffID = known.find((each) => chainIDs([...below, each]).at(-1) === name);
    if (diffID === undefined || existsSync(sharedFile(diffID))) return;
    mkdirSync(dirname(sharedFile(diffID)), { recursive: true });
    linkSync(file, sharedFile(diffID));
  },
};

const daemon = await serve({
  ...{ root, address, containerd, backend },
  onLog: ({ fields, ...entry }) => console.error(JSON.stringify({ ...entry, ...fields })),
});
console.error(JSON.stringify({ level: 'info', message: 'serving' }));
process.once('SIGTERM', () => daemon.close());
