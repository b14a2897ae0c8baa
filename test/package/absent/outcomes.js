// What works and what does not, as JSON: by the code of the error where there is one.

import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync } from 'node:fs';
import { serve } from 'overlayer/daemon';
import { exploreImage, openImageFiles, readImageFile } from 'overlayer/explore';
import { inspectImages, openImageArchive, openImageLayout, openRegistry, openStore } from 'overlayer/images';
import { createDiff, planLayer, unpackLayer } from 'overlayer/layer';
import { mountAll, openSnapshotter } from 'overlayer/snapshots';
import { readTar } from 'overlayer/tar';

const { layer, zstdLayer, tar, layout, archive, reference, folder } = JSON.parse(process.argv[2]);
const inside = (name) => `${folder}/${name}`;

async function count(items) {
  let number = 0;
  for await (const _ of items) number += 1;
  return number;
}

async function layersOf(opening) {
  const source = await opening;
  try {
    const [image] = await inspectImages(source);
    return image.layers.length;
  } finally {
    await source.close();
  }
}

async function exploreArchive(explore) {
  const source = await openImageArchive(archive);
  try {
    return await explore(source);
  } finally {
    await source.close();
  }
}

/** Runs a command without a store. */
function command(...args) {
  const main = new URL('node_modules/overlayer/dist/cli/main.cjs', import.meta.url).pathname;
  return execFileSync(process.execPath, [main, ...args], { encoding: 'utf8' });
}

const operations = {
  readTar: async () => await count(readTar(createReadStream(tar))),
  planLayer: async () => (await planLayer(layer)).diffID,
  planZstdLayer: async () => (await planLayer(zstdLayer)).diffID,
  openImageLayout: () => layersOf(openImageLayout(layout)),
  openImageArchive: () => layersOf(openImageArchive(archive)),
  openRegistry: () => layersOf(openRegistry(reference)),
  testing: async () => typeof (await import('overlayer/testing')).snapshotterSuite,
  exploreImage: async () => (await exploreArchive(exploreImage)).size,
  openImageFiles: async () => await exploreArchive((source) => count(openImageFiles(source))),
  readImageFile: async () => await exploreArchive((source) => count(readImageFile(source, 'two'))),
  files: async () =>
    command('files', archive)
      .match(/one|two/g)
      .join(),
  cat: async () => command('cat', archive, 'two').length,
  explore: async () => JSON.parse(command('explore', archive, '--json')).size,
  unpackLayer: async () => (await unpackLayer(layer, inside('rootfs'))).diffID,
  createDiff: async () => typeof (await createDiff({ upper: folder })).diffID,
  mountAll: () => mountAll([{ type: 'tmpfs', source: 'tmpfs', options: [] }], inside('nothing')),
  openSnapshotter: async () => (await openSnapshotter({ root: inside('snapshots') })).close(),
  openStore: async () => (await openStore({ root: inside('store') })).close(),
  serve: async () => (await serve({ root: inside('daemon'), address: inside('socket') })).close(),
};

const outcomes = {};
for (const [name, operation] of Object.entries(operations))
  outcomes[name] = await operation().then(
    (result) => result ?? 'done',
    ({ name, code, message, hint }) => ({ name, code, says: `${message}: ${hint}` }),
  );
console.log(JSON.stringify({ ...outcomes, rootfs: existsSync(inside('rootfs')) }));
