// Unpacks the one image of an OCI layout into snapshots: its layers side by side, committed in their order.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSnapshotter, unpackLayer } from '../../dist/index.js';

const [layout, root] = process.argv.slice(2);
const blob = ({ digest }) => join(layout, 'blobs', ...digest.split(':'));
const readJson = async (path) => JSON.parse(await readFile(path, 'utf8'));

const index = await readJson(join(layout, 'index.json'));
const manifest = await readJson(blob(index.manifests[0]));
const { rootfs } = await readJson(blob(manifest.config));

const snapshots = await openSnapshotter({ root, backend: 'overlay' });
const unpacked = manifest.layers.map(async (layer, at) => {
  const key = `extract-${at} ${layer.digest}`;
  const [mount] = await snapshots.prepare(key);
  const { digest } = layer;
  // The commit brings it to the disk.
  await unpackLayer(blob(layer), mount.source, {
    target: 'overlay',
    digest,
    diffID: rootfs.diff_ids[at],
    sync: false,
  });
  return key;
});
let parent;
for (const [at, unpacking] of unpacked.entries()) {
  const diffID = rootfs.diff_ids[at];
  const name = parent === undefined ? diffID : chain(parent, diffID);
  await snapshots.commit(await unpacking, { name, parent });
  parent = name;
}
await snapshots.close();

function chain(parent, diffID) {
  return `sha256:${createHash('sha256').update(`${parent} ${diffID}`).digest('hex')}`;
}
