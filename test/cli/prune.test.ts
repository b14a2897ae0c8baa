import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openStore, type Store } from '../../src/index.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { overlayer, start, temporaryDirectory } from './helpers.js';

async function useStore(): Promise<{ store: Store; root: string; directory: string }> {
  const directory = temporaryDirectory();
  const root = join(directory, 'store');
  const store = await openStore({ root, backend: 'native' });
  onTestFinished(() => store.close());
  return { store, root, directory };
}

const prune = (root: string, ...args: readonly string[]) =>
  overlayer(['images', 'prune', '--root', root, ...args]);

test('it says what keeps what', async () => {
  const { store, root, directory } = await useStore();
  const layout = writeFiles(join(directory, 'layout'), layoutFiles({}, [tar(dir('a')), tar(dir('b'))]));
  const [image] = await store.import(layout, { name: 'app:1' });
  const { layers } = await image!.contents();
  await store.snapshots.prepare('web', { parent: layers[0]!.chainID });
  const { id } = await store.content.leases.create({ tiedToProcess: true });
  await store.content.leases.add(id, { type: 'content', id: layers[1]!.descriptor.digest });
  await store.content.leases.create({ id: 'of nothing that is there' });
  expect((await prune(root)).stdout).toBe('Freed 0 B: 0 blobs, 0 snapshots\n');
  await store.images.remove('app:1');
  const { code, stdout } = await prune(root);
  expect(code).toBe(0);
  expect(stdout.split('\n').slice(1)).toEqual([
    expect.stringMatching(new RegExp(`^Lease ${id} of process ${process.pid} keeps .+: 1 blob$`)),
    expect.stringMatching(/^Snapshot web keeps .+: 1 layer$/),
    '',
  ]);
  const { keepers } = JSON.parse((await prune(root, '--json')).stdout);
  expect(keepers).toEqual([
    {
      ...{ type: 'lease', id, process: process.pid },
      ...{ blobs: [layers[1]!.descriptor.digest], snapshots: [], bytes: layers[1]!.descriptor.size },
    },
    { type: 'snapshot', id: 'web', blobs: [], snapshots: [layers[0]!.chainID], bytes: expect.any(Number) },
  ]);
});

test('what a killed import has fetched is free at once', async () => {
  const { store, root, directory } = await useStore();
  const archive = join(directory, 'big.tar');
  writeFileSync(
    archive,
    tar(
      file('oci-layout', '{"imageLayoutVersion":"1.0.0"}'),
      file('blobs/sha256/aa', Buffer.alloc(2 * 1024 * 1024, 1)),
    ),
  );
  const child = start(['import', '-', '--root', root, '--backend', 'native'], { stdio: 'pipe' });
  child.stdin!.on('error', () => {}); // it is killed
  // All but the end: the command waits for more, and has the first blob by then.
  child.stdin!.write(readFileSync(archive).subarray(0, -10_000));
  const isFetching = async () => (await store.content.leases.list()).length > 0;
  while (!(await isFetching())) await new Promise((resolve) => setImmediate(resolve));
  expect((await store.content.leases.list())[0]?.process).toBe(child.pid);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await store.content.leases.list()).toEqual([]);
  expect((await prune(root)).code).toBe(0);
  expect(await store.content.ingests()).toEqual([]);
});
