// Milliseconds of each of many calls, one after the other: node snapshot-latency.mjs SOCKET SNAPSHOTTER
import { credentials, Metadata, makeClientConstructor } from '@grpc/grpc-js';
import { loadService } from '../../dist/daemon/grpc/load-services.js';

const TIMES = 500;
/** containerd's garbage collection removes snapshots without this label. */
const labels = { 'containerd.io/gc.root': new Date().toISOString() };

const [, , address, snapshotter] = process.argv;
const Client = makeClientConstructor(loadService('snapshots'), 'Snapshots');
const client = new Client(`unix:${address}`, credentials.createInsecure());
const metadata = new Metadata();
metadata.set('containerd-namespace', 'bench');
const times = {};
await call('Stat', { key: 'none' }).catch(() => {}); // connects
for (const name of Object.keys(times)) delete times[name];
await call('Prepare', { key: 'base' });
await call('Commit', { key: 'base', name: 'base layer' });
for (let time = 0; time < TIMES; time++) {
  await call('Prepare', { key: 'key', parent: 'base layer' });
  await call('Stat', { key: 'key' });
  await call('Commit', { key: 'key', name: 'name' });
  await call('Remove', { key: 'name' });
}
console.log(JSON.stringify(times));
client.close();

async function call(method, request) {
  const start = process.hrtime.bigint();
  await new Promise((resolve, reject) => {
    client[method]({ snapshotter, labels, ...request }, metadata, (error) =>
      error ? reject(error) : resolve(),
    );
  });
  times[method] ??= [];
  times[method].push(Number(process.hrtime.bigint() - start) / 1e6);
}
