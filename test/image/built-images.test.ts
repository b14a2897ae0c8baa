import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { blobFile, describe as describeBlob, json, writeFiles } from '../helpers/hand-made-image.js';
import { type Inside, useNamespace } from '../helpers/namespace-process.js';
import { diffTrees, readTree, type Tree } from '../helpers/tree.js';

// An image as it is built: by buildah on overlayfs, each layer with what was done on a mount. It is pulled, imported
// and unpacked in several compressions; umoci, which knows gzip alone, says what has to come out.

/** What is done to the root filesystem, layer by layer. */
const STEPS = [
  `mkdir -p bin usr/lib old/deep hidden/below
   cp /bin/busybox bin/busybox && setcap cap_net_raw+ep bin/busybox
   echo a >old/a; echo b >old/deep/b; echo c >hidden/below/c
   ln -s usr/lib lib; chown 5:6 old; chmod 2750 usr/lib`,
  // overlayfs makes an opaque directory of one that is made again.
  `rm old/a; rm -r hidden && mkdir hidden && echo new >hidden/new
   echo x >lib/x && setcap cap_chown+ep usr/lib/x; ln bin/busybox bin/sh`,
  `rm -r old && echo file >old; chmod 700 hidden; rm bin/sh
   mknod null c 1 3; mkfifo pipe`,
];

/** In `directory`, the layouts `gzip` and `zstd`. */
const BUILD = `set -eu
directory=$1; shift
buildah="buildah --root $directory/root --runroot $directory/run --storage-driver overlay"
image=scratch
for step; do
  container=$($buildah from --pull-never "$image")
  (cd "$($buildah mount "$container")" && eval "$step")
  image=$($buildah commit --quiet --rm "$container")
done
for compression in gzip zstd; do
  $buildah push --quiet --compression-format $compression "$image" "oci:$directory/$compression:sample:1"
done
`;

const FORMS = ['gzip', 'zstd', 'mixed'];
const namespace = useNamespace('root');
let directory: string;
let expected: Tree;
let registry: DockerRegistry;

beforeAll(async () => {
  directory = namespace.directory();
  await namespace.inside.run(
    ({ child }, ...args) => {
      child.execFileSync('sh', ['-c', ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
    },
    ...[BUILD, 'sh', directory, ...STEPS],
  );
  makeMixed();
  const bundle = join(directory, 'bundle');
  execFileSync('umoci', ['unpack', '--image', `${join(directory, 'gzip')}:sample:1`, bundle], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  expected = readTree(join(bundle, 'rootfs'));
  registry = await DockerRegistry.start(join(directory, 'registry'));
  for (const form of FORMS)
    await push({ location: `oci:${join(directory, form)}:sample:1` }, `${registry.host}/app:${form}`);
});
afterAll(() => registry.kill());

/** The same image, whose layers are of the one and the other compression in turn. */
function makeMixed(): void {
  const mixed = join(directory, 'mixed');
  const [gzip, zstd] = ['gzip', 'zstd'].map((form) => {
    cpSync(join(directory, form), mixed, { recursive: true });
    const index = JSON.parse(readFileSync(join(mixed, 'index.json'), 'utf8'));
    return { index, manifest: JSON.parse(readFileSync(join(mixed, blobFile(index.manifests[0])), 'utf8')) };
  });
  const layers = (zstd!.manifest.layers as unknown[]).map((layer, place) =>
    place % 2 === 0 ? layer : gzip!.manifest.layers[place],
  );
  const manifest = json({ ...zstd!.manifest, layers });
  const [listed] = zstd!.index.manifests;
  const described = { ...listed, ...describeBlob(listed.mediaType, manifest) };
  writeFiles(mixed, {
    [blobFile(described)]: manifest,
    'index.json': json({ ...zstd!.index, manifests: [described] }),
  });
}

/** @returns where the process has mounted it, as seen from here */
async function mounted(form: string, reference: string | null): Promise<string> {
  const root = join(directory, `store-${form}-${reference === null ? 'imported' : 'pulled'}`);
  const pid = await namespace.inside.run(getAndMount, root, join(directory, form), reference);
  return join(`/proc/${pid}/root`, root, 'mounted');
}

async function getAndMount(
  { overlayer, fs, path }: Inside,
  root: string,
  layout: string,
  reference: string | null,
): Promise<number> {
  const store = await overlayer.openStore({ root, backend: 'overlay' });
  const image =
    reference === null ? (await store.import(layout))[0] : await store.pull(reference, { concurrency: 3 });
  const target = path.join(root, 'mounted');
  fs.mkdirSync(target);
  await image!.mount(target);
  await store.close();
  return process.pid;
}

/** Which names are one file is left out: overlayfs copies a lower file up to link it. */
const differences = (found: Tree) => diffTrees(expected, found, ['linkOf']);

test('it has what is to be compared', () => {
  expect(expected.get('bin/busybox')?.xattrs).toHaveProperty(['security.capability']);
  expect(expected.get('usr/lib/x')?.xattrs).toHaveProperty(['security.capability']);
  expect(expected.get('old')?.type).toBe('file');
  expect([...expected.keys()].filter((path) => path.startsWith('hidden/'))).toEqual(['hidden/new']);
  const layers = (form: string) => {
    const read = (path: string) => JSON.parse(readFileSync(join(directory, form, path), 'utf8'));
    const manifest = read(blobFile(read('index.json').manifests[0]));
    return manifest.layers.map(({ mediaType }: { mediaType: string }) => mediaType.split('+')[1]);
  };
  expect(FORMS.map(layers)).toEqual([
    ['gzip', 'gzip', 'gzip'],
    ['zstd', 'zstd', 'zstd'],
    ['zstd', 'gzip', 'zstd'],
  ]);
});

describe.each(FORMS)('%s: what umoci makes of it', (form) => {
  test('pulled from docker-registry', async () => {
    expect(differences(readTree(await mounted(form, `${registry.host}/app:${form}`)))).toEqual([]);
  });

  test('imported', async () => {
    expect(differences(readTree(await mounted(form, null)))).toEqual([]);
  });

  test('unpacked without a store', async () => {
    const target = join(directory, `unpacked-${form}`);
    await namespace.inside.run(
      async ({ overlayer }, layout, destination) => {
        const source = await overlayer.openImageLayout(layout);
        await overlayer.unpackImage(source, destination);
        await source.close();
      },
      join(directory, form),
      target,
    );
    expect(differences(readTree(target))).toEqual([]);
  });
});
