// Gets an image and mounts its root filesystem (as root):
//   node examples/pull-and-mount.mjs debian:12 mounted
// The image is a reference in a registry, or the path of an archive.
import { existsSync } from 'node:fs';
import { mkdir, readdir } from 'node:fs/promises';
import { openStore } from 'overlayer/images';

const [image = 'fixtures/image.tar', directory = 'mounted', root = 'store'] = process.argv.slice(2);
await mkdir(directory, { recursive: true });

const store = await openStore({ root });
try {
  const task = existsSync(image) ? store.import(image) : store.pull(image);
  for await (const event of task) {
    if (event.type === 'plan') console.log(`${event.name}: ${event.layers.length} layers`);
    if (event.type === 'commit') console.log(`layer ${event.index} is on disk: ${event.chainID}`);
    if (event.type === 'warning') console.warn(event);
  }
  const [pulled] = [await task].flat();
  await pulled.mount(directory, { writable: true });
  console.log(`mounted on ${directory}:`, await readdir(directory));
  await store.unmount(directory);
} finally {
  await store.close();
}
