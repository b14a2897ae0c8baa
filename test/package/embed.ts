// A program of somebody who embeds overlayer: compiled against its published types, strictly, and run.
import { OverlayerError, parseDigest } from 'overlayer';
import type { Daemon } from 'overlayer/daemon';
import { openStore, type PullEvent } from 'overlayer/images';
import {
  type LayerProgress,
  type LayerResult,
  planLayer,
  type UnpackLayerOptions,
  unpackLayer,
} from 'overlayer/layer';
import metadata from 'overlayer/package.json' with { type: 'json' };
import { type Mount, openSnapshotter } from 'overlayer/snapshots';
import { readTar, type TarEntry } from 'overlayer/tar';

const [layer = '', destination = '', archive = '', image = ''] = process.argv.slice(2);

let last: LayerProgress | undefined;
const options: UnpackLayerOptions = { target: 'directory' };
const unpacking = unpackLayer(layer, destination, options);
for await (const progress of unpacking) last = progress;
const result: LayerResult = await unpacking;

const refusal = await unpackLayer(layer, destination).catch((error: unknown) => error);
if (!OverlayerError.is(refusal)) throw new Error('a destination that is not empty was not refused');

const operations: string[] = [];
for await (const { operation } of planLayer(layer, { digests: 'skip' })) operations.push(operation.op);

const entries: TarEntry[] = [];
const { createReadStream } = await import('node:fs');
for await (const { entry } of readTar(createReadStream(archive))) entries.push(entry);

const snapshots = await openSnapshotter({ root: `${destination}-snapshots`, backend: 'native' });
const mounts: readonly Mount[] = await snapshots.prepare('active', { labels: { used: 'yes' } });
const { kind } = await snapshots.commit('active', { name: 'committed' });
await snapshots.close();

const store = await openStore({ root: `${destination}-store`, backend: 'native' });
let daemon: Daemon | undefined; // none is started here: its types have to compile
await daemon?.close();
const task = store.import(image);
const events: PullEvent['type'][] = [];
for await (const { type } of task) events.push(type);
const [imported] = await task;
await imported?.unpackTo(`${destination}-image`);
await store.close();

console.log(
  JSON.stringify({
    version: metadata.version,
    digest: result.digest === undefined ? undefined : parseDigest(result.digest),
    entries: result.entries,
    progress: last?.entries,
    refusal: refusal.code,
    operations: operations.length,
    tarEntries: entries.length,
    snapshot: { kind, mount: mounts[0]?.type },
    image: {
      name: imported?.name,
      plan: events[0],
      commits: events.filter((type) => type === 'commit').length,
    },
  }),
);
