import { openRegistry, openSnapshotter, unpackLayer } from 'overlayer';

/** What the bundled apps do. It needs three of the threads' files, koffi and lmdb. */
export async function work(layer, folder) {
  const { entries } = await unpackLayer(layer, `${folder}/rootfs`);
  const snapshots = await openSnapshotter({ root: `${folder}/snapshots`, backend: 'native' });
  await snapshots.prepare('active');
  const { kind } = await snapshots.commit('active', { name: 'committed' });
  await snapshots.close();
  // Nothing listens there: it would ask again for seconds.
  const registry = await openRegistry('127.0.0.1:1/nothing');
  const { name } = await registry.images({ signal: AbortSignal.timeout(300) }).catch((error) => error);
  await registry.close();
  return { entries, kind, registry: name };
}
