import { OverlayerError, unpackLayer } from 'overlayer';

const [layer = 'fixtures/layer.tar.gz', destination = 'unpacked'] = process.argv.slice(2);
try {
  const result = await unpackLayer(layer, destination);
  console.log(`${result.entries} entries, ${result.size} bytes, diffID ${result.diffID}`);
  for (const { kind, count } of result.anomalies) console.log(`${kind}: ${count}`);
} catch (error) {
  if (!OverlayerError.is(error)) throw error;
  console.error(error.code, error.message); // nothing was left behind
  process.exitCode = 1;
}
