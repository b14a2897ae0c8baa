// Unpacks as an embedding program would and prints how late its own event loop was meanwhile.
import { createReadStream } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { unpackLayer } from '../../dist/index.js';

const [layer, dest, kind] = process.argv.slice(2);
const delay = monitorEventLoopDelay({ resolution: 1 });
delay.enable();
await unpackLayer(kind === 'stream' ? createReadStream(layer) : layer, dest, { sync: false });
delay.disable();
process.stdout.write(JSON.stringify({ p99: delay.percentile(99) / 1e6, max: delay.max / 1e6 }));
