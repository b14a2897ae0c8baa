import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Inside, type Json, useNamespace } from '../../helpers/namespace-process.js';
import { dir, file, tar, whiteout } from '../../helpers/tar-builder.js';
import { diffTrees, readTree } from '../../helpers/tree.js';

// What is done in a mounted image becomes a layer; layers are joined, and put on another base. On each backend.

type Backend = 'overlay' | 'native' | 'erofs';
const BACKENDS: readonly Backend[] = ['overlay', 'native', 'erofs'];

const namespace = useNamespace('root');
let directory: string;
let root: string;
let count = 0;

beforeAll(() => {
  directory = namespace.directory();
});
beforeEach(() => {
  root = join(directory, `store-${count++}`);
});

/** @returns what the function returns, which gets the store */
async function inStore<Args extends Json[], Result>(
  backend: Backend,
  work: (store: import('../../../src/index.js').Store, inside: Inside, ...args: Args) => Promise<Result>,
  ...args: Args
): Promise<Result> {
  const answer = await namespace.inside.run(
    async (inside, path, kind, source, given) => {
      const store = await inside.overlayer.openStore({ root: path, backend: kind as 'overlay' });
      try {
        // biome-ignore lint/security/noGlobalEval: the function comes from this file
        return (await eval(`(${source})`)(store, inside, ...given)) as Json;
      } finally {
        await store.close();
      }
    },
    root,
    backend,
    work.toString(),
    args as readonly Json[],
  );
  return answer as Result;
}

const base64 = (layer: Uint8Array) => Buffer.from(layer).toString('base64');
const BASE = [
  base64(
    tar(dir('etc'), file('etc/motd', 'old'), file('etc/gone', 'x'), dir('hidden'), file('hidden/a', 'a')),
  ),
  base64(tar(dir('etc'), file('etc/next', 'next'), whiteout('hidden'), dir('hidden'), file('hidden/b', 'b'))),
];

/** Makes `base` of layers, mounts it, runs a script in it, and commits it as `committed`, which is mounted too. */
async function commitScript(
  store: import('../../../src/index.js').Store,
  { fs, path, child }: Inside,
  parent: string,
  layers: readonly string[],
  script: string,
): Promise<readonly [changed: string, committed: string]> {
  const archives = layers.map((layer) => ({ archive: Buffer.from(layer, 'base64') }));
  await store.createImage({ name: 'base', layers: archives, config: { cmd: ['/sh'] } });
  const [changed, committed] = [path.join(parent, 'changed'), path.join(parent, 'committed')];
  for (const place of [changed, committed]) fs.mkdirSync(place);
  await (await store.images.get('base')).mount(changed, { writable: true });
  child.execFileSync('bash', ['-euc', script], { cwd: changed });
  const image = await store.commit(changed, 'committed', { comment: 'a script' });
  await image.mount(committed);
  return [changed, committed];
}

const seen = (path: string) => namespace.inside.view(path);
/** overlayfs copies a lower file up to link it. */
const differences = (a: string, b: string) => diffTrees(readTree(seen(a)), readTree(seen(b)), ['linkOf']);

describe.each(BACKENDS)('%s:', (backend) => {
  test('a commit has the changes of the mount, which stays', async () => {
    const script = `echo new >etc/motd; rm etc/gone; rm -r hidden; mkdir hidden; echo c >hidden/c
      mkdir -p d/e; ln -s ../etc d/link; mknod d/null c 1 3; chown 5:6 d/e; chmod 2750 d/e; mkfifo d/fifo`;
    const parent = join(directory, `commit-${backend}`);
    mkdirSync(parent);
    const [changed, committed] = await inStore(backend, commitScript, parent, BASE, script);
    expect(differences(changed, committed)).toEqual([]);
    expect(readFileSync(seen(join(changed, 'etc/motd')), 'utf8')).toBe('new\n');
    const { history, layers, cmd } = await inStore(backend, async (store) => {
      const { config, layers } = await (await store.images.get('committed')).contents();
      return { history: config.history as Json, layers: layers.length, cmd: config.process.cmd };
    });
    expect({ layers, cmd }).toEqual({ layers: 3, cmd: ['/sh'] });
    expect(history).toMatchObject([{}, {}, { createdBy: 'overlayer commit', comment: 'a script' }]);
  });

  test('a commit has the bytes of the diff of its snapshot, and the snapshot has all that they say', async () => {
    const script = `mkdir d; echo a >d/file; ln d/file d/link; truncate -s 5M d/sparse; echo end >>d/sparse
      setcap cap_net_raw+ep d/file; setfattr -n user.a -v b d; touch -d @1.5 d/sparse; chmod 4711 d/sparse
      node -e 'require("net").createServer().listen("d/socket", () => process.exit())'; test -S d/socket`;
    const parent = join(directory, `bytes-${backend}`);
    mkdirSync(parent);
    const [changed, committed] = await inStore(backend, commitScript, parent, BASE, script);
    rmSync(seen(join(changed, 'd/socket')));
    // The removal of the socket changes the time of its directory.
    expect(differences(changed, committed).filter((line) => !line.startsWith('d:'))).toEqual([]);
    const tree = readTree(seen(committed));
    expect([tree.get('d/link')!.linkOf, tree.get('d')!.xattrs]).toEqual(['d/file', { 'user.a': 'b' }]);
    const [made, diffed] = await inStore(backend, async (store, { overlayer }) => {
      const top = (await (await store.images.get('committed')).contents()).layers.at(-1)!;
      const diff = overlayer.diffSnapshot(store.snapshots, top.chainID);
      for await (const _ of diff);
      const { descriptor, diffID } = await diff;
      return [
        [top.descriptor.digest, top.diffID],
        [descriptor.digest, diffID],
      ] as const;
    });
    expect(made).toEqual(diffed);
  });

  test('a squashed image has the same tree in one layer, or in one above those that stay', async () => {
    const parent = join(directory, `squash-${backend}`);
    mkdirSync(parent);
    const [, committed] = await inStore(backend, commitScript, parent, BASE, 'rm etc/motd; echo 1 >etc/one');
    const found = await inStore(
      backend,
      async (store, { fs, path }, place) => {
        const [first] = (await (await store.images.get('committed')).contents()).layers;
        const results = [];
        for (const from of [undefined, first!.diffID]) {
          const image = await store.squash('committed', 'squashed', { from });
          const target = path.join(place, String(from !== undefined));
          fs.mkdirSync(target);
          await image.mount(target);
          const { layers, config } = await image.contents();
          const steps = config.history!.map(({ emptyLayer }) => emptyLayer === true);
          results.push({ layers: layers.length, steps, target });
        }
        return results;
      },
      parent,
    );
    expect(found.map(({ layers }) => layers)).toEqual([1, 2]);
    expect(found[0]!.steps).toEqual([true, true, true, false]);
    expect(found[1]!.steps).toEqual([false, true, true, false]);
    for (const { target } of found) expect(differences(committed, target)).toEqual([]);
  });

  test('images are compared: added, changed and removed', async () => {
    const parent = join(directory, `compare-${backend}`);
    mkdirSync(parent);
    await inStore(
      backend,
      commitScript,
      parent,
      BASE,
      'echo longer >etc/motd; rm -r hidden; mkdir n; echo 1 >n/f',
    );
    const changes = await inStore(backend, async (store) => {
      const files = await store.images.diff('base', 'committed');
      return files
        .filter(({ type }) => type === 'file')
        .map(({ kind, path, sizeBefore, sizeAfter }) => `${kind} ${path} ${sizeBefore} ${sizeAfter}`);
    });
    expect(changes).toEqual(['changed etc/motd 3 7', 'removed hidden/b 1 0', 'added n/f 0 2']);
    expect(
      await inStore(backend, async (store) => (await store.images.diff('base', 'base')) as never),
    ).toEqual([]);
  });
});

test('an image gets another base: its own layers, config and steps stay', async () => {
  const rebased = await inStore(
    'overlay',
    async (store, _inside, layers) => {
      const [one, two, own] = layers.map((layer) => ({ archive: Buffer.from(layer, 'base64') }));
      await store.createImage({ name: 'old', layers: [one!], createdBy: 'old base' });
      await store.createImage({ name: 'new', layers: [two!, one!], createdBy: 'new base' });
      await store.createImage({
        name: 'app',
        base: 'old',
        layers: [own!],
        config: { user: 'me' },
        createdBy: 'own',
      });
      const image = await store.rebase('app', 'app', { oldBase: 'old', newBase: 'new' });
      const { config } = await image.contents();
      const wrong = await store
        .rebase('app', 'x', { oldBase: 'old', newBase: 'new' })
        .catch((error) => error.message);
      const steps = config.history!.map(({ createdBy }) => createdBy!);
      return { steps, diffIDs: config.diffIDs, user: config.process.user, wrong };
    },
    [...BASE, base64(tar(file('own', '1')))],
  );
  expect(rebased).toMatchObject({
    steps: ['new base', 'new base', 'own', 'overlayer rebase'],
    user: 'me',
    wrong: 'Image "app" was not made of "old": layer 1 differs',
  });
  expect(new Set(rebased.diffIDs).size).toBe(3);
});

describe('what can be committed:', () => {
  const message = async (
    work: (store: import('../../../src/index.js').Store, inside: Inside, ...args: Json[]) => Promise<unknown>,
  ) =>
    await inStore('native', work as never, BASE as never, directory).catch((error: Error) => error.message);

  test('nothing that does not exist, and no committed snapshot', async () => {
    expect(await message(async (store) => await store.commit('/nowhere', 'x'))).toContain(
      'no snapshot has this key',
    );
  });

  test('a snapshot whose image is gone needs a base', async () => {
    expect(
      await message(async (store, _, layers) => {
        const archives = (layers as string[]).map((layer) => ({ archive: Buffer.from(layer, 'base64') }));
        const image = await store.createImage({ name: 'base', layers: archives });
        const { layers: made } = await image.contents();
        await store.snapshots.prepare('mine', { parent: made.at(-1)!.chainID });
        await store.images.remove('base');
        await store.commit('mine', 'x');
      }),
    ).toContain('No image has the layers');
  });

  test('of several images with the same layers one has to be named', async () => {
    expect(
      await message(async (store, _, layers) => {
        const archives = (layers as string[]).map((layer) => ({ archive: Buffer.from(layer, 'base64') }));
        const image = await store.createImage({ name: 'one', layers: archives });
        await store.createImage({ name: 'two', base: 'one', config: { user: 'x' } });
        const { layers: made } = await image.contents();
        await store.snapshots.prepare('mine', { parent: made.at(-1)!.chainID });
        const committed = await store.commit('mine', 'x', { base: 'two' });
        const { config } = await committed.contents();
        if (config.process.user !== 'x') throw new Error('the wrong base');
        await store.commit('mine', 'x');
      }),
    ).toContain('Several images have the layers');
  });

  test('a mount is committed again, after the first commit got the name of its image', async () => {
    const parent = join(directory, 'twice');
    mkdirSync(parent);
    const layers = await inStore(
      'overlay',
      async (store, { fs, path }, layer, place) => {
        await store.createImage({ name: 'base', layers: [{ archive: Buffer.from(layer, 'base64') }] });
        await (await store.images.get('base')).mount(place, { writable: true });
        const counts = [];
        for (const name of ['one', 'two']) {
          fs.writeFileSync(path.join(place, name), name);
          counts.push((await (await store.commit(place, 'base')).contents()).layers.length);
        }
        await store.unmount(place);
        return counts;
      },
      BASE[0]!,
      parent,
    );
    expect(layers).toEqual([2, 2]);
  });

  test('a snapshot without a parent is an image from nothing', async () => {
    const layers = await inStore('native', async (store, { fs, path }) => {
      const [mount] = await store.snapshots.prepare('mine');
      fs.writeFileSync(path.join(mount!.source, 'file'), 'x');
      return (await (await store.commit('mine', 'from-nothing')).contents()).layers.length;
    });
    expect(layers).toBe(1);
  });
});

test('property: a commit of random changes has the tree of the mount, and so has its squash', async () => {
  const name = fc.constantFrom('a', 'b', 'c', 'a/b', 'b/c', 'a/b/c');
  const step = fc.oneof(
    name.map((at) => `mkdir -p "$(dirname ${at})" && echo $RANDOM >${at} || true`),
    name.map((at) => `rm -rf ${at} || true`),
    name.map((at) => `mkdir -p ${at} 2>/dev/null || true`),
    fc.tuple(name, name).map(([from, to]) => `mkdir -p "$(dirname ${to})" && mv -T ${from} ${to} || true`),
    fc.tuple(name, name).map(([from, to]) => `ln ${from} ${to} || ln -s ${from} ${to} || true`),
    name.map((at) => `chmod 700 ${at} || true`),
  );
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 12 }), async (steps) => {
      root = join(directory, `store-${count++}`);
      const parent = join(directory, `random-${run++}`);
      mkdirSync(parent);
      const layer = base64(tar(dir('a'), file('a/b', '1'), dir('b'), file('b/c', '2'), file('c', '3')));
      const script = `exec 2>/dev/null\n${steps.join('\n')}`;
      const [changed, committed] = await inStore('overlay', commitScript, parent, [layer], script);
      expect(differences(changed, committed)).toEqual([]);
      const squashed = join(parent, 'squashed');
      mkdirSync(squashed);
      await inStore(
        'overlay',
        async (store, _, target) => await (await store.squash('committed', 'squashed')).mount(target),
        squashed,
      );
      expect(differences(committed, squashed)).toEqual([]);
    }),
    { numRuns: 8 },
  );
});
