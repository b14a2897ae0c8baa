// Mounts a copy of an image's root that can be written to, with EROFS reading the layers by direct I/O:
// node mount-directio.mjs mount|unmount ROOT TARGET. The store at ROOT holds this image alone.
import { basename } from 'node:path';
import { mountAll, openSnapshotter, unmountAll } from '../../dist/snapshot/index.js';

const [command, root, target] = process.argv.slice(2);
const key = basename(target);
const snapshots = await openSnapshotter({ root });
if (command === 'mount') {
  const layers = [];
  for await (const snapshot of snapshots.walk()) if (snapshot.kind === 'committed') layers.push(snapshot);
  const parents = new Set(layers.map(({ parent }) => parent));
  const top = layers.find(({ name }) => !parents.has(name));
  const mounts = await snapshots.prepare(key, { parent: top.name });
  await mountAll(
    mounts.map((mount) => (mount.type === 'erofs' ? direct(mount) : mount)),
    target,
  );
} else {
  await unmountAll(target);
  await snapshots.remove(key);
}
await snapshots.close();

function direct(mount) {
  return { ...mount, options: [...mount.options, 'directio'] };
}
