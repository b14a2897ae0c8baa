// Makes one EROFS file of a layer, proves it, shows it through a mount, and gives its tar back.
import { createWriteStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { readErofsTar, unpackLayer, verifyErofsLayer } from 'overlayer/layer';
import { withMount } from 'overlayer/snapshots';

const [layer = 'fixtures/layer.tar.gz', file = 'layer.erofs'] = process.argv.slice(2);

const { diffID } = await unpackLayer(layer, file, { target: 'erofs' });
const { entries, size } = await verifyErofsLayer(file); // reads every byte of the file
console.log(`${file}: ${entries} entries, ${size} bytes, diffID ${diffID}`);

if (process.getuid?.() === 0) {
  // The same as: mount -t erofs FILE DIRECTORY. The mount is gone afterwards.
  const mount = { type: 'erofs', source: resolve(file), options: ['ro'] };
  console.log('mounted:', await withMount([mount], (directory) => readdir(directory)));
}

await pipeline(readErofsTar(file), createWriteStream(`${file}.tar`));
console.log(`${file}.tar: the tar of the layer, byte for byte`);
