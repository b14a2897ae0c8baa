// Reads a layer without writing anything, and lists what deserves a second look: setuid files, devices, whiteouts.
import { displayPath, planLayer } from 'overlayer/layer';

const [layer = 'fixtures/layer.tar.gz'] = process.argv.slice(2);
const SETUID_OR_SETGID = 0o6000;

const plan = planLayer(layer, { limits: { maxBytes: 1024 ** 3 } });
for await (const { operation, anomalies } of plan) {
  const path = displayPath(operation.path);
  if (operation.op === 'file' && (operation.entry.mode & SETUID_OR_SETGID) !== 0)
    console.log(`${operation.entry.mode.toString(8)} ${path}`);
  if (operation.op.endsWith('device') || operation.op === 'whiteout' || operation.op === 'opaque')
    console.log(`${operation.op} ${path}`);
  for (const { kind, detail } of anomalies) console.log(`${kind} ${path}`, detail ?? '');
}
const { diffID, entries } = await plan;
console.log(`${entries} entries, diffID ${diffID}`);
