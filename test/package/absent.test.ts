import { cpSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { archiveOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { sha256 } from '../helpers/tree.js';
import { LAYER, PackedApp, REPOSITORY } from './packed-app.js';

const NATIVE = ['koffi', 'lmdb', 'zstd-napi'] as const;
const DIFF_ID = `sha256:${sha256(gunzipSync(readFileSync(LAYER)))}`;

let app: PackedApp;
let registry: DockerRegistry;
let inputs: Readonly<Record<string, string>>;
/** Whether the Node that is tried has zstd of its own. */
let nodeHasZstd: boolean;

beforeAll(async () => {
  app = new PackedApp({ installScripts: false });
  registry = await DockerRegistry.start(join(app.root, 'registry'));
  const layout = writeFiles(join(app.root, 'layout'), layoutFiles());
  const archive = join(app.root, 'image.tar');
  writeFileSync(archive, archiveOf(layoutFiles()));
  const reference = `${registry.host}/sample:1`;
  await push({ location: `oci:${layout}:sample:1` }, reference);
  const tar = join(REPOSITORY, 'fixtures/tars/gnu-posix.tar');
  inputs = { layer: LAYER, zstdLayer: LAYER.replace('.gz', '.zst'), tar, layout, archive, reference };
  nodeHasZstd = app.run('node', ['--print', '"createZstdDecompress" in zlib']).trim() === 'true';
});
afterAll(async () => {
  await registry.kill();
  rmSync(app.root, { recursive: true, force: true });
});

/** Runs `outcomes.js` in an app whose folder lacks these packages. */
function outcomesWithout(packages: readonly string[], platform?: NodeJS.Platform): Record<string, unknown> {
  const folder = join(app.root, 'work');
  mkdirSync(folder);
  const program = join(app.folder, 'outcomes.js');
  writeFileSync(program, readFileSync(join(REPOSITORY, 'test/package/absent/outcomes.js')));
  try {
    const preload = platform === undefined ? [] : [`NODE_OPTIONS=--require ${pretend(platform)}`];
    const args = [...preload, 'node', program, JSON.stringify({ ...inputs, folder })];
    return JSON.parse(runWithout(packages, 'env', args));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function runWithout(packages: readonly string[], program: string, args: readonly string[]): string {
  const away = join(app.root, 'away');
  mkdirSync(away, { recursive: true });
  const modules = join(app.folder, 'node_modules');
  for (const name of packages) renameSync(join(modules, name), join(away, name));
  try {
    return app.run(program, args);
  } finally {
    for (const name of packages) renameSync(join(away, name), join(modules, name));
  }
}

/** A module that lets Node say that it runs on another system, in every thread. */
function pretend(platform: NodeJS.Platform): string {
  const path = join(app.root, `${platform}.cjs`);
  writeFileSync(path, `Object.defineProperty(process, 'platform', { value: '${platform}' });`);
  return path;
}

/** What neither writes nor keeps anything. */
const READS = {
  readTar: 10,
  planLayer: DIFF_ID,
  openImageLayout: 2,
  openImageArchive: 2,
  openRegistry: 2,
  testing: 'function',
  exploreImage: 5001,
  openImageFiles: 2,
  readImageFile: 1,
  files: 'one,two',
  cat: 5000,
  explore: 5001,
};
const NEEDS_SYSTEM = ['unpackLayer', 'createDiff', 'mountAll', 'openSnapshotter', 'openStore', 'serve'];
const NEEDS_RECORDS = ['openSnapshotter', 'openStore', 'serve'];

const unimplemented = (says: RegExp) => ({
  name: 'OverlayerError',
  code: 'Unimplemented',
  says: expect.stringMatching(says),
});
const each = (names: readonly string[], value: unknown) =>
  Object.fromEntries(names.map((name) => [name, value]));

test('zstd-napi that is not built: Node decompresses, where it can', () => {
  const outcomes = outcomesWithout([]);
  expect(outcomes).toMatchObject({ ...READS, unpackLayer: DIFF_ID, openStore: 'done' });
  expect(outcomes['planZstdLayer']).toEqual(
    nodeHasZstd ? DIFF_ID : unimplemented(/zstd-napi.*Node 22\.15.*npm install zstd-napi/),
  );
});

test('koffi whose native file is where its build puts it', () => {
  const modules = join(app.folder, 'node_modules');
  const prebuilt = join(modules, '@koromix');
  const built = join(modules, 'koffi/build/koffi');
  const [folder] = readdirSync(prebuilt);
  cpSync(join(prebuilt, folder!), built, { recursive: true });
  try {
    expect(outcomesWithout(['@koromix'])).toMatchObject({ ...READS, unpackLayer: DIFF_ID });
  } finally {
    rmSync(built, { recursive: true });
  }
});

describe('a package that is left out', () => {
  test('koffi: all that only reads works', () => {
    const outcomes = outcomesWithout(['koffi']);
    expect(outcomes).toMatchObject(READS);
    expect(outcomes).toMatchObject(each(NEEDS_SYSTEM, unimplemented(/koffi.*npm install koffi/)));
    expect(outcomes['rootfs']).toBe(false);
  });

  test('lmdb: all but snapshots, stores and the daemon works', () => {
    const outcomes = outcomesWithout(['lmdb']);
    expect(outcomes).toMatchObject({ ...READS, unpackLayer: DIFF_ID, createDiff: 'string' });
    expect(outcomes).toMatchObject(each(NEEDS_RECORDS, unimplemented(/lmdb.*npm install lmdb/)));
  });

  test('each: all that only reads works', () => {
    const outcomes = outcomesWithout(NATIVE);
    expect(outcomes).toMatchObject(READS);
    expect(outcomes).toMatchObject(each(NEEDS_SYSTEM, unimplemented(/npm install koffi/)));
    if (nodeHasZstd) expect(outcomes['planZstdLayer']).toBe(DIFF_ID);
  });

  test('each: the images of a store are listed', () => {
    const overlayer = join(app.folder, 'node_modules/overlayer/dist/cli/main.cjs');
    const root = join(app.root, 'store');
    app.run('node', [overlayer, 'import', inputs['archive']!, '--root', root]);
    const names = runWithout(NATIVE, 'node', [overlayer, 'images', 'ls', '--quiet', '--root', root]);
    expect(names).toBe('docker.io/library/sample:1\n');
  });
});

test.each(['darwin', 'win32'] as const)('on %s all that only reads works', (platform) => {
  const outcomes = outcomesWithout([], platform);
  expect(outcomes).toMatchObject(READS);
  expect(outcomes).toMatchObject(each(NEEDS_SYSTEM, unimplemented(new RegExp(`Linux.*${platform}`))));
  expect(outcomes['rootfs']).toBe(false);
});
