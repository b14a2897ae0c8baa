// A program of somebody who embeds overlayer: compiled against its published types, strictly, and run.
import {
  type LayerProgress,
  type LayerResult,
  OverlayerError,
  parseDigest,
  planLayer,
  type UnpackLayerOptions,
  unpackLayer,
} from 'overlayer';
import metadata from 'overlayer/package.json' with { type: 'json' };
import { readTar, type TarEntry } from 'overlayer/tar';

const [layer = '', destination = '', archive = ''] = process.argv.slice(2);

let last: LayerProgress | undefined;
const options: UnpackLayerOptions = { target: 'directory', onProgress: (progress) => (last = progress) };
const result: LayerResult = await unpackLayer(layer, destination, options);

const refusal = await unpackLayer(layer, destination).catch((error: unknown) => error);
if (!OverlayerError.is(refusal)) throw new Error('a destination that is not empty was not refused');

const operations: string[] = [];
for await (const { operation } of planLayer(layer, { digests: 'skip' })) operations.push(operation.op);

const entries: TarEntry[] = [];
const { createReadStream } = await import('node:fs');
for await (const { entry } of readTar(createReadStream(archive))) entries.push(entry);

console.log(
  JSON.stringify({
    version: metadata.version,
    digest: result.digest === undefined ? undefined : parseDigest(result.digest),
    entries: result.entries,
    progress: last?.entries,
    refusal: refusal.code,
    operations: operations.length,
    tarEntries: entries.length,
  }),
);
