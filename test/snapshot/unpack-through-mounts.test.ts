import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { BackendSnapshot } from '../../src/index.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { dir, file, tar, whiteout } from '../helpers/tar-builder.js';

const namespace = useNamespace('root');

test('what can only be written to through its mounts is', async () => {
  const root = namespace.directory();
  const layers = [tar(dir('etc'), file('etc/base')), tar(file('etc/next'), whiteout('etc/base'))];
  for (const [number, layer] of layers.entries()) writeFileSync(join(root, `${number}.tar`), layer);
  const seen = await namespace.inside.run(async ({ overlayer, load, fs, path }, root) => {
    const { NativeBackend } = await load<typeof import('../../src/snapshot/backends/native-backend.js')>(
      'snapshot/backends/native-backend.js',
    );
    /** With a mount upon a mount. */
    class Twofold extends NativeBackend {
      override mounts(snapshot: BackendSnapshot) {
        const [mount] = super.mounts(snapshot);
        return [{ type: 'tmpfs', source: 'tmpfs', options: [] }, mount!];
      }
    }
    const store = path.join(root, 'store');
    const snapshots = await overlayer.openSnapshotter({ root: store, backend: new Twofold() });
    await overlayer.unpackSnapshot(snapshots, path.join(root, '0.tar'), { name: 'base' });
    await overlayer.unpackSnapshot(snapshots, path.join(root, '1.tar'), { name: 'next', parent: 'base' });
    await snapshots.close();
    const ids = fs.readdirSync(path.join(store, 'snapshots')).sort();
    return ids.map((id) => fs.readdirSync(path.join(store, 'snapshots', id, 'fs/etc')));
  }, root);
  expect(seen).toEqual([['base'], ['next']]);
});
