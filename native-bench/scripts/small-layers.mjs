// Milliseconds of each of COUNT unpacks, one after the other: node small-layers.mjs LAYER DIRECTORY COUNT
import { join } from 'node:path';
import { unpackLayer } from '../../dist/index.js';

const [layer, directory, count] = process.argv.slice(2);
const milliseconds = [];
for (let index = 0; index < Number(count); index++) {
  const start = process.hrtime.bigint();
  await unpackLayer(layer, join(directory, String(index)));
  milliseconds.push(Number(process.hrtime.bigint() - start) / 1e6);
}
const { user, system } = process.cpuUsage();
process.stdout.write(JSON.stringify({ milliseconds, cpuSeconds: (user + system) / 1e6 }));
