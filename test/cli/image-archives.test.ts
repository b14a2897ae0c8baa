import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { archiveOf, dockerFiles, layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';
import { overlayer, sha256 } from './helpers.js';

// An archive of images is one to every command, whoever wrote it and whatever else is in it.

const NAME = 'docker.io/library/sample:1';
/** The second is larger than what is kept in memory. */
const LAYERS = [tar(file('one', '1')), tar(file('two', Buffer.alloc(3_000_000, '2')))];

let work: string;
let samples: Readonly<Record<string, Buffer>>;
beforeAll(() => {
  work = makeWorkDirectory();
  samples = makeSamples();
});
afterAll(() => rmSync(work, { recursive: true }));

function makeSamples(): Readonly<Record<string, Buffer>> {
  const layout = layoutFiles({}, LAYERS);
  const docker = dockerFiles({}, LAYERS);
  const directory = writeFiles(join(work, 'layout'), layout);
  const gnuTar = (...args: readonly string[]) =>
    execFileSync('tar', ['-C', directory, ...args, '-cf', '-', '.'], { maxBuffer: 1e8 });
  const README = 'x'.repeat(400_000);
  return {
    'an OCI layout': archiveOf(layout),
    'an OCI layout, a README behind it': archiveOf({ ...layout, README: 'read me' }),
    'an OCI layout, a long README before it': archiveOf({ README, ...layout }),
    'an OCI layout by tar, with extended headers': gnuTar('--format=posix'),
    'images of docker with what macOS adds': archiveOf({
      '.DS_Store': 'x',
      '._manifest.json': 'x',
      ...docker,
    }),
    'images of docker, a long README before them': archiveOf({ README, ...docker }),
  };
}

describe.each([
  ['an OCI layout, a README behind it', 'gzip'],
  ['an OCI layout by tar, with extended headers', 'plain'],
  ['images of docker with what macOS adds', 'plain'],
])('%s, %s', (sample, form) => {
  test.each([
    ['a file', 'file'],
    ['a pipe', '-'],
  ])('from %s', async (_, source) => {
    const box = join(work, `${sample}-${source}`);
    mkdirSync(box);
    const input = form === 'gzip' ? gzipSync(samples[sample]!, { level: 1 }) : samples[sample]!;
    writeFileSync(join(box, 'file'), input);
    const run = (...args: readonly string[]) => overlayer(args, { cwd: box, input });
    const [unpacked, inspected, imported] = await Promise.all([
      run('unpack', source, 'out'),
      run('inspect', '--json', source),
      run('import', source, '--root', 'root'),
    ]);
    expect(unpacked).toMatchObject({ code: 0, stderr: '' });
    expect(readdirSync(join(box, 'out'))).toEqual(['one', 'two']);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ images: [{ name: NAME, layers: [{}, {}] }] });
    expect(imported).toMatchObject({ code: 0 });
    expect(readdirSync(box).sort()).toEqual(['file', 'out', 'root']);
  });
});

describe.each(['an OCI layout, a long README before it', 'images of docker, a long README before them'])(
  '%s, whose images show late',
  (sample) => {
    test('from a file is unpacked as an image', async () => {
      const box = join(work, sample);
      mkdirSync(box);
      writeFileSync(join(box, 'file'), samples[sample]!);
      expect(await overlayer(['unpack', 'file', 'out'], { cwd: box })).toMatchObject({ code: 0, stderr: '' });
      expect(readdirSync(join(box, 'out'))).toEqual(['one', 'two']);
    });

    test('from a pipe is refused rather than unpacked as a layer', async () => {
      const destination = join(work, `${sample}-out`);
      const { code, stderr } = await overlayer(['unpack', '-', destination], { input: samples[sample]! });
      expect(code).toBe(3);
      expect(stderr).toMatch(/holds images: it is not a layer: /);
      expect(existsSync(destination)).toBe(false);
    });
  },
);

test('one that was packed with its directory is refused, and says where the images are', async () => {
  const files = Object.fromEntries(
    Object.entries(dockerFiles({}, LAYERS)).map(([name, content]) => [`img/${name}`, content]),
  );
  const path = join(work, 'wrapped.tar');
  writeFileSync(path, archiveOf(files));
  for (const command of ['unpack', 'import'])
    expect(
      await overlayer([command, path, ...(command === 'unpack' ? [join(work, 'wrapped')] : [])]),
    ).toMatchObject({
      code: 3,
    });
  expect((await overlayer(['import', path, '--root', join(work, 'root')])).stderr).toContain('"img"');
  expect(existsSync(join(work, 'wrapped'))).toBe(false);
});

test('with its digest it is the layer that it was said to be', async () => {
  const input = samples['an OCI layout']!;
  const out = join(work, 'as-layer');
  for (const source of ['-', join(work, 'as-layer.tar')]) {
    writeFileSync(join(work, 'as-layer.tar'), input);
    expect(await overlayer(['unpack', '--digest', sha256(input), source, out], { input })).toMatchObject({
      code: 0,
    });
    expect(readFileSync(join(out, 'oci-layout'), 'utf8')).toContain('1.0.0');
    rmSync(out, { recursive: true });
  }
});

test('nothing at all is said to be nothing', async () => {
  const out = join(work, 'nothing');
  const failed = await overlayer(['unpack', '-', out], { input: new Uint8Array() });
  expect(failed.code).toBe(15);
  expect(failed.stderr).toMatch(/The layer is empty.*--allow-empty/);
  expect(existsSync(out)).toBe(false);
  expect(await overlayer(['unpack', '--allow-empty', '-', out], { input: new Uint8Array() })).toMatchObject({
    code: 0,
  });
  expect(readdirSync(out)).toEqual([]);
});
