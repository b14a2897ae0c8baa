import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { archiveOf, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { sha256 } from '../helpers/tree.js';
import { LAYER, PackedApp, REPOSITORY } from './packed-app.js';

let app: PackedApp;
beforeAll(() => {
  app = new PackedApp({ installScripts: true });
});
afterAll(() => rmSync(app.root, { recursive: true, force: true }));

const { version } = JSON.parse(readFileSync(join(REPOSITORY, 'package.json'), 'utf8')) as { version: string };

/** Runs a line of a module in the app. */
const evaluate = (code: string): unknown =>
  JSON.parse(app.run('node', ['--input-type=module', '--eval', `console.log(JSON.stringify(${code}))`]));

test('the packed files are the built ones, with their types, and the documents', () => {
  const packed = app.run('tar', ['--list', '--gzip', '--file', app.tarball]).trim().split('\n');
  const names = packed.map((name) => name.replace(/^package\//, ''));
  const documents = ['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json'];
  expect(names.filter((name) => !name.startsWith('dist/')).sort()).toEqual(documents);
  const code = /\.([cm]?js|js\.map|d\.ts)$/;
  const daemon = /^dist\/daemon\/(proto\/.*\.proto|systemd\/overlayer(\.service|\.socket|-erofs\.conf))$/;
  const others = names.filter((name) => name.startsWith('dist/') && !code.test(name));
  const licenses = ['dist/cli/chunks/LICENSES.txt', 'dist/cli/explorer.LICENSES.txt'];
  expect(others.filter((name) => !daemon.test(name)).sort()).toEqual(licenses);
  expect(others).toHaveLength(14);
  // The page's script and style are no module of TypeScript.
  const scripts = names.filter((name) => name.endsWith('.js') && !name.endsWith('.built.js'));
  expect(scripts).toContain('dist/index.js');
  expect(scripts.filter((name) => !names.includes(name.replace(/js$/, 'd.ts')))).toEqual([]);
});

test('npx overlayer unpacks a layer', () => {
  expect(app.run('npx', ['--no-install', 'overlayer', '--version']).trim()).toBe(version);
  const result = JSON.parse(
    app.run('npx', ['--no-install', 'overlayer', 'unpack', '--json', LAYER, 'rootfs']),
  );
  expect(result.digest).toBe(`sha256:${sha256(readFileSync(LAYER))}`);
  expect(readFileSync(join(app.folder, 'rootfs/etc/os-release'), 'utf8')).toContain('PRETTY_NAME="Debian');
});

test('a zstd layer is unpacked too', () => {
  app.run('npx', ['--no-install', 'overlayer', 'unpack', LAYER.replace('.gz', '.zst'), 'rootfs-zstd']);
  expect(readFileSync(join(app.folder, 'rootfs-zstd/etc/os-release'), 'utf8')).toContain(
    'PRETTY_NAME="Debian',
  );
});

test('an image is pulled from a registry, and nothing else is said', async () => {
  const registry = await DockerRegistry.start(join(app.folder, 'registry'));
  try {
    const layout = writeFiles(join(app.folder, 'layout'), layoutFiles());
    await push({ location: `oci:${layout}:sample:1` }, `${registry.host}/sample:1`);
    // npx has warnings of its own.
    const overlayer = 'node_modules/.bin/overlayer';
    const pull = `${overlayer} pull --root store --progress none --json ${registry.host}/sample:1`;
    const { images } = JSON.parse(app.run('sh', ['-c', `${pull} 2>&1`]));
    expect(images).toHaveLength(1);
  } finally {
    await registry.kill();
  }
});

test('a program that embeds it compiles against its types and runs', () => {
  app.tool('tsc', ['--project', app.folder]);
  const archive = join(REPOSITORY, 'fixtures/tars/gnu-posix.tar');
  const image = join(app.folder, 'image.tar');
  writeFileSync(image, archiveOf(layoutFiles()));
  const printed = JSON.parse(app.run('node', ['embed.js', LAYER, 'embedded', archive, image]));
  expect(printed).toMatchObject({ version, refusal: 'FailedPrecondition', tarEntries: 10 });
  expect(printed.snapshot).toEqual({ kind: 'committed', mount: 'bind' });
  expect(printed.image).toEqual({ name: 'docker.io/library/sample:1', plan: 'plan', commits: 2 });
  expect(readdirSync(join(app.folder, 'embedded-image')).sort()).toEqual(['one', 'two']);
  expect(printed.digest).toBe(`sha256:${sha256(readFileSync(LAYER))}`);
  expect(printed.entries).toBeGreaterThan(100);
  expect(printed.progress).toBe(printed.entries);
  expect(printed.operations).toBe(printed.entries);
});

/** What each entry point exports beside types. */
const ENTRY_POINTS = {
  tar: [
    'DEFAULT_LIMITS',
    'OverlayerError',
    'TarDecoder',
    'displayJson',
    'displayPath',
    'encodePath',
    'readTar',
  ],
  layer: [
    ...['DEFAULT_LIMITS', 'OverlayerError', 'createDiff', 'displayJson', 'displayPath', 'encodePath'],
    ...['mergeErofsLayers', 'parseDigest', 'planLayer', 'readErofsLayer', 'readErofsTar', 'replaceFile'],
    ...['unpackLayer', 'verifyErofsLayer', 'warmUp'],
  ],
  snapshots: [
    ...['OverlayerError', 'chainIDs', 'diffMounts', 'diffSnapshot', 'mountAll', 'openSnapshotter'],
    ...['readFilter', 'rebuildMetadata', 'unmountAll', 'unpackSnapshot', 'withMount', 'withoutTemplates'],
  ],
  images: [
    ...['OverlayerError', 'chainIDs', 'copyImage', 'createImageArchive', 'createImageLayout'],
    ...['createRuntimeSpec', 'detectSource', 'detectStream', 'exportImages', 'formatFamiliar'],
    ...['formatPlatform', 'formatReference', 'hostPlatform', 'inspectImages', 'openImageArchive'],
    ...['openImageLayout', 'openRegistry', 'openRegistryTarget', 'openStore', 'parseDigest'],
    ...['parsePlatform', 'parseReference', 'readImages', 'unpackImage', 'verifyImage'],
  ],
  explore: [
    ...['OverlayerError', 'compareExplored', 'displayPath', 'exploreImage', 'openImageFiles'],
    ...['readImageFile', 'writeImagePage'],
  ],
  daemon: ['OverlayerError', 'containerdConfig', 'serve'],
};

test('each entry point exports its task, and overlayer all tasks', () => {
  const names = Object.keys(ENTRY_POINTS);
  const entries = `[${names.map((name) => `import('overlayer/${name}')`)}]`;
  const exports = evaluate(`(await Promise.all(${entries})).map((entry) => Object.keys(entry).sort())`);
  expect(exports).toEqual(Object.values(ENTRY_POINTS));
  const all = [...new Set(Object.values(ENTRY_POINTS).flat())].sort();
  expect(evaluate(`Object.keys(await import('overlayer')).sort()`)).toEqual(all);
});

test('overlayer/erofs exports the writer, the reader and the head of layer files', () => {
  expect(evaluate(`Object.keys(await import('overlayer/erofs')).sort()`)).toEqual([
    ...['ErofsReader', 'ErofsTree', 'HEAD_BYTES', 'MARK', 'MODE', 'NONE', 'OverlayerError', 'TAR_OFFSET'],
    ...['decodeHead', 'encodeHead', 'encodeSuperblock', 'isLayerHead', 'isStorable', 'layOut', 'layerUuid'],
    ...['mergeErofs', 'walkErofs', 'writeMetadata'],
  ]);
});

test('the suite and package.json can be imported, and no other file', () => {
  expect(evaluate(`Object.keys(await import('overlayer/testing'))`)).toEqual(['snapshotterSuite']);
  expect(evaluate(`(await import('overlayer/package.json', { with: { type: 'json' } })).default.name`)).toBe(
    'overlayer',
  );
  expect(evaluate(`await import('overlayer/dist/index.js').catch((error) => error.code)`)).toBe(
    'ERR_PACKAGE_PATH_NOT_EXPORTED',
  );
});

describe('CommonJS', () => {
  test('requires each entry, and nothing is said', () => {
    const entries = [
      '',
      '/layer',
      '/tar',
      '/erofs',
      '/snapshots',
      '/images',
      '/explore',
      '/daemon',
      '/testing',
    ];
    const code = entries.map((entry) => `typeof require('overlayer${entry}')`).join();
    const command = `node --input-type=commonjs --print "[${code}].join()" 2>&1`;
    expect(app.run('sh', ['-c', command]).trim()).toBe(entries.map(() => 'object').join());
  });

  test.each([
    ['nodenext', 'commonjs'],
    ['node20', 'commonjs'],
    ['node16', 'commonjs-import'],
  ])('a program compiles with module %s and runs (%s)', (module, program) => {
    const outDir = join(app.folder, module);
    const options = ['--ignoreConfig', '--strict', '--types', 'node', '--target', 'es2022'];
    app.tool('tsc', [...options, '--module', module, '--outDir', outDir, join(app.folder, `${program}.cts`)]);
    expect(JSON.parse(app.run('node', [join(outDir, `${program}.cjs`), LAYER]))).toEqual({ entries: 123 });
  });
});

test('publint and attw find nothing', () => {
  expect(app.tool('publint', ['--strict', app.tarball])).toContain('All good!');
  // CommonJS requires ES modules in every Node that `engines` names.
  const rules = ['--profile', 'node16', '--ignore-rules', 'cjs-resolves-to-esm'];
  expect(app.tool('attw', [app.tarball, ...rules])).toContain('🟢 (ESM)');
});
