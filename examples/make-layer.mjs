// Makes a layer of a directory. The same files give the same layer, whenever and wherever they were written.
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createDiff } from 'overlayer/layer';

const [directory = 'docs', output = 'layer.tar.gz'] = process.argv.slice(2);

const diff = createDiff({ upper: directory }, { compression: 'gzip', sourceDateEpoch: new Date(0) });
await pipeline(diff, createWriteStream(output));
const { descriptor, diffID, entries } = await diff;
console.log(`${output}: ${entries} entries, ${descriptor.size} bytes`);
console.log(`digest ${descriptor.digest}`);
console.log(`diffID ${diffID}`);
