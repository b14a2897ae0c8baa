// A parent chain of snapshots: two layers, and a third snapshot with a change of our own (as root, because it mounts).
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openSnapshotter, unpackSnapshot, withMount } from 'overlayer/snapshots';

const [root = 'example-snapshots', ...given] = process.argv.slice(2);
const layers =
  given.length > 0
    ? given
    : ['fixtures/image-layers/buildah-1.tar.gz', 'fixtures/image-layers/buildah-2.tar.gz'];

const snapshots = await openSnapshotter({ root });
try {
  console.log(`backend ${snapshots.backend.name}: ${snapshots.backend.reason}`);
  let parent;
  for (const [index, layer] of layers.entries()) {
    // The snapshot of a layer of an image is usually named by the layer's chainID: see `chainIDs`.
    const { snapshot } = await unpackSnapshot(snapshots, layer, { name: `layer-${index}`, parent });
    parent = snapshot.name;
  }

  const mounts = await snapshots.prepare('change', { parent });
  await withMount(mounts, (directory) => writeFile(join(directory, 'hello'), 'world\n'));
  await snapshots.commit('change', { name: 'with-hello' });

  for await (const { name, parent, kind } of snapshots.walk()) console.log(kind, name, parent ?? '');
  const { findings } = await snapshots.check();
  console.log(`${findings.length} findings`);
} finally {
  await snapshots.close();
}
