import { openSnapshotter, unpackLayer } from 'overlayer';

/** What the bundled apps do: it takes three of the threads' files, koffi and lmdb. */
export async function work(layer, folder) {
  const { entries } = await unpackLayer(layer, `${folder}/rootfs`);
  const snapshots = await openSnapshotter({ root: `${folder}/snapshots`, backend: 'native' });
  await snapshots.prepare('active');
  const { kind } = await snapshots.commit('active', { name: 'committed' });
  await snapshots.close();
  return { entries, kind };
}
