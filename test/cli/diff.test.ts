import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync } from 'node:zlib';
import { beforeEach, describe, expect, test } from 'vitest';
import { openSnapshotter, unpackSnapshot } from '../../src/index.js';
import { decode } from '../helpers/decode.js';
import { overlayer, sha256, start, tarOf, temporaryDirectory } from './helpers.js';

let directory: string;
beforeEach(() => {
  directory = temporaryDirectory();
  for (const tree of ['lower', 'upper']) mkdirSync(join(directory, tree));
  writeFileSync(join(directory, 'lower/gone'), 'x');
  writeFileSync(join(directory, 'upper/new'), 'new');
  for (const tree of ['lower', 'upper']) utimesSync(join(directory, tree), 1, 1);
});

const run = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
  overlayer(args, { cwd: directory, env: { ...process.env, SOURCE_DATE_EPOCH: '', ...env } });
const read = (name: string) => readFileSync(join(directory, name));

async function writes(name: string, ...flags: readonly string[]): Promise<Buffer> {
  const { code, stderr } = await run(['diff', 'lower', 'upper', '-o', name, ...flags]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return read(name);
}

test('a layer in the form that its name says, which gives the one tree of the other', async () => {
  const plain = await writes('layer.tar');
  expect(decode(plain).map(({ path }) => path)).toEqual(['.wh.gone', 'new']);
  expect(gunzipSync(await writes('layer.tar.gz')).equals(plain)).toBe(true);
  expect(gunzipSync(await writes('layer')).equals(plain), 'gzip otherwise').toBe(true);
  await writes('layer.tar.zst');
  const decompressed = execFileSync('zstd', ['-dc', join(directory, 'layer.tar.zst')]);
  expect(decompressed.equals(plain)).toBe(true);
  expect((await writes('best.gz', '--compression', 'gzip:9')).length).toBeLessThanOrEqual(
    (await writes('fast.gz', '--compression', 'gzip:1')).length,
  );
  expect((await writes('plain.gz', '--compression', 'none')).equals(plain), 'the option says more').toBe(
    true,
  );
  expect((await run(['unpack', '--merge', 'layer.tar.zst', 'lower'])).code).toBe(0);
  execFileSync('diff', ['--recursive', join(directory, 'lower'), join(directory, 'upper')]);
});

test('what it came to, in words and as a document', async () => {
  const { stdout } = await run(['diff', 'lower', 'upper', '-o', 'layer.tar.gz']);
  expect(stdout).toMatch(/^Wrote layer\.tar\.gz in .*\n {2}digest {5}sha256:[0-9a-f]{64}\n {2}diffID/);
  expect(stdout).toContain('whiteouts  1');
  const json = await run(['diff', 'lower', 'upper', '-o', 'layer.tar.gz', '--json']);
  const layer = read('layer.tar.gz');
  const plain = gunzipSync(layer);
  expect(JSON.parse(json.stdout)).toEqual({
    output: 'layer.tar.gz',
    mediaType: 'application/vnd.oci.image.layer.v1.tar+gzip',
    digest: sha256(layer),
    compression: 'gzip',
    compressedSize: layer.length,
    diffID: sha256(plain),
    size: plain.length,
    entries: 2,
    whiteouts: 1,
    seconds: expect.any(Number),
  });
});

test('standard output takes the layer, standard error the document', async () => {
  const child = start(['diff', 'lower', 'upper', '--json'], { cwd: directory });
  const [chunks, errors]: Buffer[][] = [[], []];
  child.stdout!.on('data', (chunk) => chunks!.push(chunk));
  child.stderr!.on('data', (chunk) => errors!.push(chunk));
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  const layer = Buffer.concat(chunks!);
  expect(JSON.parse(Buffer.concat(errors!).toString())).toMatchObject({ output: '-', digest: sha256(layer) });
});

describe('SOURCE_DATE_EPOCH', () => {
  const times = (layer: Buffer) => decode(layer).map(({ mtimeSec }) => mtimeSec);

  test('bounds times, by the environment or the option, which says more', async () => {
    await run(['diff', 'lower', 'upper', '-o', 'layer.tar'], { SOURCE_DATE_EPOCH: '1000' });
    expect(times(read('layer.tar'))).toEqual([0, 1000]);
    const both = ['diff', 'lower', 'upper', '-o', 'layer.tar', '--source-date-epoch', '2000'];
    await run(both, { SOURCE_DATE_EPOCH: '1000' });
    expect(times(read('layer.tar'))).toEqual([0, 2000]);
  });

  test.for(['yesterday', '-1', '1.5', '1e30'])('%s makes no sense', async (text) => {
    const { code, stderr } = await run(['diff', 'lower', 'upper', '-o', 'x'], { SOURCE_DATE_EPOCH: text });
    expect(code).toBe(3);
    expect(stderr).toContain('SOURCE_DATE_EPOCH');
  });
});

describe('a failure leaves no half of a layer', () => {
  test.for([
    [['none', 'upper', '-o', 'layer.tar'], 5],
    [['lower', 'upper', '-o', 'none/layer.tar'], 5],
    [['lower', 'upper', '-o', '/dev/full'], 8],
    [['lower', 'upper', '-o', 'lower'], 9],
  ] as const)('%s', async ([args, exit]) => {
    writeFileSync(join(directory, 'layer.tar'), 'old');
    const { code, stderr } = await run(['diff', ...args]);
    expect(code, stderr).toBe(exit);
    expect(stderr).toMatch(/^overlayer: [^\n]+\n$/);
    expect(readdirSync(directory).sort()).toEqual(['layer.tar', 'lower', 'upper']);
    expect(read('layer.tar').toString(), 'what was there stays').toBe('old');
    expect(statSync('/dev/full').isCharacterDevice()).toBe(true);
  });

  test.for([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s', async ([signal, exit]) => {
    execFileSync('truncate', ['-s', '1T', join(directory, 'upper/endless')]);
    const args = ['diff', 'lower', 'upper', '-o', '/dev/null', '--progress', 'json'];
    const file = ['diff', 'lower', 'upper', '-o', 'layer.tar.zst', '--progress', 'json'];
    for (const each of [args, file]) {
      const child = start(each, { cwd: directory });
      const closed = once(child, 'close');
      let last = '';
      for await (const line of createInterface(child.stderr!)) {
        last = line;
        if (JSON.parse(line).bytes > 0 && !child.killed) child.kill(signal);
      }
      expect((await closed)[0]).toBe(exit);
      expect(JSON.parse(last)).toMatchObject({
        code: 'Cancelled',
        aftermath: expect.stringContaining('was not written'),
      });
    }
    expect(existsSync(join(directory, 'layer.tar.zst'))).toBe(false);
    expect(readdirSync(directory).sort()).toEqual(['lower', 'upper']);
  });
});

describe('snapshots diff', () => {
  test('what a snapshot changes; as it is told', async () => {
    const root = join(directory, 'store');
    const snapshots = await openSnapshotter({ root, backend: 'native' });
    await unpackSnapshot(snapshots, await tarOf({ name: 'f', content: 'f' }), { name: 'base' });
    const next = await tarOf({ name: 'g', content: 'g' }, { name: '.wh.f' });
    await unpackSnapshot(snapshots, next, { name: 'next', parent: 'base' });
    await snapshots.close();
    const { code, stdout } = await run([
      'snapshots',
      'diff',
      'next',
      '-o',
      'next.tar',
      '--root',
      root,
      '--json',
    ]);
    expect(code).toBe(0);
    expect(decode(read('next.tar')).map(({ path }) => path)).toEqual(['.wh.f', 'g']);
    expect(JSON.parse(stdout)).toMatchObject({ entries: 2, digest: sha256(read('next.tar')) });
    expect(await run(['snapshots', 'diff', 'none', '-o', 'x', '--root', root])).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('none'),
    });
    expect(existsSync(join(directory, 'x'))).toBe(false);
  });

  test('a root that is not there is not made', async () => {
    const { code } = await run(['snapshots', 'diff', 'key', '--root', 'none']);
    expect(code).toBe(5);
    expect(existsSync(join(directory, 'none'))).toBe(false);
  });
});
