import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore } from '../../src/index.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { overlayer } from './helpers.js';

/** Two images, a snapshot on the layers of the first, and a lease; made once, by the library. */
const directory = makeWorkDirectory();
const root = join(directory, 'store');
const layers = ['one', 'two'].map((name) => gzipSync(tar(dir('etc'), file(`etc/${name}`, name))));
for (const [at, layer] of layers.entries()) {
  await using store = await openStore({ root, backend: 'native' });
  const layout = writeFiles(join(directory, `layout-${at}`), layoutFiles({}, [layer]));
  await store.import(layout, { name: `app:${at}`, labels: { at: String(at) } });
  if (at === 0) await store.content.leases.create({ id: 'mine', labels: { why: 'tests' } });
}
afterAll(() => rmSync(directory, { recursive: true }));

const prints = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await overlayer([...args, '--root', root]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
};
const refused = async (...args: readonly string[]) => {
  const { code, stdout, stderr } = await overlayer([...args, '--root', root]);
  expect(stdout).toBe('');
  return { code, stderr };
};

describe('--quiet prints what each is called', () => {
  test.each([
    ['images', 'docker.io/library/app:0\ndocker.io/library/app:1\n'],
    ['content', expect.stringMatching(/^(?:sha256:[0-9a-f]{64}\n){6}$/)],
    ['snapshots', expect.stringMatching(/^(?:sha256:[0-9a-f]{64}\n){2}$/)],
  ])('%s', async (group, expected) => {
    expect(await prints(group, 'ls', '-q')).toEqual(expected);
  });

  test('content leases', async () => {
    expect(await prints('content', 'leases', 'ls', '--quiet')).toBe('mine\n');
  });
});

test.each([
  [['images', 'ls', '-q', '--filter', 'name~=app:1'], 'docker.io/library/app:1\n'],
  [['images', 'ls', '-q', '--filter', 'labels.at==0'], 'docker.io/library/app:0\n'],
  [['images', 'ls', '-q', '--filter', 'labels.none'], ''],
  [['images', 'ls', '-q', '--filter', 'target.digest~=^sha256:', '--filter', 'name~=^x$'], /:0\n.*:1\n$/],
  [['content', 'leases', 'ls', '-q', '--filter', 'labels.why!=tests'], ''],
])('--filter: %j', async (args, expected) => {
  expect(await prints(...args)).toEqual(
    typeof expected === 'string' ? expected : expect.stringMatching(expected),
  );
});

test.each([
  [
    'images',
    'platform',
    /^overlayer: No field "platform" to filter by: --filter takes name, target\.digest, .*labels\.NAME\n$/,
  ],
  ['images', 'name==app:1', /^overlayer: Field "name" is never "app:1": .*docker\.io\/library\/app:1\n$/],
  [
    'snapshots',
    'kind==Committed',
    /^overlayer: Field "kind" is never "Committed": it is active, view, committed\n$/,
  ],
  ['content', 'constructor==x', /^overlayer: No field "constructor" to filter by: /],
  ['content', 'digest==x,', /^overlayer: Cannot read filter "digest==x,": no field at character 11/],
  ['content', 'labels.a==b,name==x', /^overlayer: No field "name" to filter by: /],
])('--filter that can match nothing: %s ls %s', async (group, filter, says) => {
  const { code, stderr } = await refused(group, 'ls', '--filter', filter);
  expect(code).toBe(3);
  expect(stderr).toMatch(says);
});

test('what can be removed is, the rest is reported, and the first failure is the exit code', async () => {
  await using store = await openStore({ root, backend: 'native' });
  for (const id of ['first', 'second']) await store.content.leases.create({ id });
  const result = await overlayer(['content', 'leases', 'rm', 'first', 'none', 'second', '--root', root]);
  expect(result).toMatchObject({ code: 5, stdout: 'Removed first\nRemoved second\n' });
  expect(result.stderr).toMatch(/^overlayer: .*"none".*\n$/);
  const images = await overlayer(['images', 'rm', 'none', 'nor-this', '--root', root]);
  expect(images).toMatchObject({ code: 5, stdout: '' });
  expect(images.stderr).toMatch(/none.*\n.*nor-this.*\n$/);
});

test.each([
  [['images', 'rm', 'none'], { removed: [], collected: { blobs: [], ingests: [], snapshots: [], bytes: 0 } }],
  [['content', 'rm', `sha256:${'0'.repeat(64)}`], { removed: [] }],
  [['content', 'leases', 'rm', 'none'], { removed: [] }],
  [['snapshots', 'rm', 'none'], { removed: [] }],
])('%s --json prints a document also when nothing was removed', async (args, document) => {
  const { code, stdout } = await overlayer([...args, '--json', '--root', root]);
  expect({ code, document: JSON.parse(stdout) }).toEqual({ code: 5, document });
});

describe('--format', () => {
  test.each([
    ['{{.Name}}\\t{{.platform}}', 'docker.io/library/app:1\tlinux/amd64\n'],
    ['{{json .labels}}', /^\{"at":"1",.*\}\n$/],
    ['{{.labels.at}} {{.labels."no such.label"}}|', '1 |\n'],
    ['{{.target.digest}}', /^sha256:[0-9a-f]{64}\n$/],
  ])('%s', async (template, expected) => {
    const text = await prints('images', 'ls', '--filter', 'name~=1$', '--format', template);
    if (typeof expected === 'string') expect(text).toBe(expected);
    else expect(text).toMatch(expected);
  });

  test('of one image', async () => {
    expect(await prints('images', 'inspect', 'app:1', '--format', '{{.config.platform.os}}')).toBe('linux\n');
  });

  test.each([
    ['{{.nmae}}', /^overlayer: There is no field "nmae" here: --format can show name, target, /],
    ['json', /^overlayer: Not a template: "json": --json prints JSON/],
    ['{{.name', /^overlayer: Not a template: "\{\{\.name": a field ends with \}\}/],
    ['table {{.name}}', /^overlayer: Not a template: "table /],
    ['{{range .labels}}x{{end}}', /^overlayer: Not a field: "\{\{range \.labels\}\}" of the template/],
  ])('%s is refused', async (template, says) => {
    const { code, stderr } = await refused('images', 'ls', '--format', template);
    expect(code).toBe(3);
    expect(stderr).toMatch(says);
  });

  test('and --json exclude each other', async () => {
    expect((await refused('images', 'ls', '--format', '{{.name}}', '--json')).code).toBe(2);
  });
});

test('a lease is shown with what it holds and until when, and is removed', async () => {
  await using store = await openStore({ root, backend: 'native' });
  const { id } = await store.content.leases.create({ tiedToProcess: true });
  await store.content.leases.add(id, { type: 'snapshot', id: 'chain' });
  const lines = (await prints('content', 'leases', 'ls')).split('\n');
  const shown = (start: string) => lines.find((line) => line.startsWith(start));
  expect(shown('mine')).toMatch(/ when it is removed +0 blobs, 0 snapshots$/);
  expect(shown(id)).toMatch(new RegExp(` with process ${process.pid} +0 blobs, 1 snapshot$`));
  expect(await prints('content', 'leases', 'rm', id)).toBe(`Removed ${id}\n`);
  expect(await prints('content', 'leases', 'ls', '-q')).toBe('mine\n');
  expect((await refused('content', 'leases', 'rm', id)).code).toBe(5);
});

test('OVERLAYER_ROOT is where everything is, and --root stands over it', async () => {
  const env = { ...process.env, OVERLAYER_ROOT: root };
  expect((await overlayer(['images', 'ls', '-q'], { env })).stdout).toMatch(/app:0/);
  expect((await overlayer(['snapshots', 'ls', '-q'], { env })).stdout).toMatch(/^sha256:/);
  const other = join(directory, 'other');
  mkdirSync(other);
  expect(await overlayer(['images', 'ls', '--root', other], { env })).toMatchObject({ code: 5, stdout: '' });
});
