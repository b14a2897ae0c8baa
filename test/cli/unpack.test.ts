import { existsSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { controlCharacters, overlayer, sha256, tarOf, temporaryDirectory } from './helpers.js';

const LAYER = await tarOf(
  { name: 'etc/', type: 'directory' },
  { name: 'etc/motd', content: 'hello\n' },
  { name: 'etc/link', type: 'symlink', linkname: 'motd' },
  { name: 'bin/su', mode: 0o4755, content: '#!' },
  { name: 'etc/.wh.gone' },
);
const GZIPPED = gzipSync(LAYER);

function fixture(): { directory: string; layer: string; dest: string } {
  const directory = temporaryDirectory();
  const layer = join(directory, 'layer.tar.gz');
  writeFileSync(layer, GZIPPED);
  return { directory, layer, dest: join(directory, 'rootfs') };
}

describe('unpack', () => {
  it('makes the tree and says what it was', async () => {
    const { layer, dest } = fixture();
    const { code, stdout, stderr } = await overlayer(['unpack', layer, dest]);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(readFileSync(join(dest, 'etc/link'), 'utf8')).toBe('hello\n');
    expect(stdout.split('\n')).toEqual([
      expect.stringMatching(/^Unpacked .*layer\.tar\.gz into .*rootfs in [\d.]+ s$/),
      `  digest     ${sha256(GZIPPED)}`,
      `  diffID     ${sha256(LAYER)}`,
      expect.stringMatching(/^ {2}size {7}[\d.]+ kB \(\d+ B as gzip\)$/),
      '  entries    5',
      '  whiteouts  1',
      '  anomalies  setuid 1',
      '',
    ]);
  });

  it('makes an EROFS file, which is a layer for every command', async () => {
    const { layer, directory } = fixture();
    const made = join(directory, 'layer.erofs');
    const { stdout } = await overlayer(['unpack', '--target', 'erofs', layer, made]);
    expect(stdout).toContain(`\n  diffID     ${sha256(LAYER)}\n`);
    expect(await overlayer(['layer', 'verify', made])).toMatchObject({ code: 0 });
    expect((await overlayer(['inspect', made])).stdout).toContain(sha256(LAYER));
  });

  it.each([
    [['--merge'], 3, 'A layer cannot be merged into an EROFS file: leave out'],
    [['--no-digests'], 3, 'An EROFS file of a layer needs its diffID: leave out'],
    [[], 6, 'it is a directory: give the path of a new file'],
  ])('makes no EROFS file with %o over a directory', async (options, exitCode, message) => {
    const { layer, directory } = fixture();
    const { code, stderr } = await overlayer(['unpack', '--target', 'erofs', ...options, layer, directory]);
    expect({ code, stderr }).toEqual({ code: exitCode, stderr: expect.stringContaining(message) });
    expect(readdirSync(directory)).toEqual(['layer.tar.gz']);
  });

  it('reads standard input', async () => {
    const { dest } = fixture();
    const { code, stdout } = await overlayer(['unpack', '-', dest], { input: GZIPPED });
    expect(code).toBe(0);
    expect(stdout).toContain('Unpacked standard input into');
    expect(readdirSync(dest).sort()).toEqual(['bin', 'etc']);
  });

  it('gives the result as one JSON document', async () => {
    const { layer, dest } = fixture();
    const { code, stdout, stderr } = await overlayer(['unpack', '--json', layer, dest]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toMatchObject({
      destination: dest,
      target: 'directory',
      digest: sha256(GZIPPED),
      diffID: sha256(LAYER),
      compression: 'gzip',
      size: LAYER.length,
      compressedSize: GZIPPED.length,
      entries: 5,
      whiteouts: 1,
      anomalies: [{ kind: 'setuid', count: 1, examples: [{ entry: 'bin/su' }] }],
      seconds: expect.any(Number),
    });
  });

  it('shows hostile names in JSON, and obeys none', async () => {
    const { directory, dest } = fixture();
    const layer = join(directory, 'hostile.tar');
    writeFileSync(layer, await tarOf({ name: 'a\x7f\x9b\u202e', type: 'symlink', linkname: '/\x1b[31m' }));
    const { stdout } = await overlayer(['unpack', '--json', layer, dest]);
    expect(controlCharacters(stdout)).toEqual([]);
    expect(JSON.parse(stdout).anomalies).toMatchObject([{ examples: [{ entry: 'a\x7f\x9b\u202e' }] }]);
  });

  it('leaves digests out where they are not wanted', async () => {
    const { layer, dest } = fixture();
    const { stdout } = await overlayer(['unpack', '--no-digests', '--json', layer, dest]);
    expect(JSON.parse(stdout)).not.toHaveProperty('digest');
  });

  it('checks the digests it is given', async () => {
    const { layer, dest } = fixture();
    const digests = ['--digest', sha256(GZIPPED), '--diff-id', sha256(LAYER)];
    expect(await overlayer(['unpack', ...digests, layer, dest])).toMatchObject({ code: 0 });
  });

  it('makes an upperdir', async () => {
    const { layer, dest } = fixture();
    const { code } = await overlayer(['unpack', '--target', 'overlay', '--rootless', layer, dest]);
    expect(code).toBe(0);
    expect(lstatSync(join(dest, 'etc/gone')).size).toBe(0);
  });

  it('resolves through lower layers', async () => {
    const { directory, dest } = fixture();
    const lower = join(directory, 'lower');
    mkdirSync(join(lower, 'usr/bin'), { recursive: true });
    writeFileSync(join(lower, 'usr/bin/tool'), 'below');
    const input = await tarOf({ name: 'tool', type: 'link', linkname: 'usr/bin/tool' });
    const args = ['unpack', '--target', 'overlay', '--lower', lower, '-', dest];
    expect(await overlayer(args, { input })).toMatchObject({ code: 0 });
    expect(readFileSync(join(dest, 'tool'), 'utf8')).toBe('below');
  });

  it('writes into a full directory only when told to merge', async () => {
    const { layer, dest } = fixture();
    mkdirSync(join(dest, 'etc'), { recursive: true });
    for (const name of ['gone', 'kept']) writeFileSync(join(dest, 'etc', name), '');
    expect(await overlayer(['unpack', layer, dest])).toMatchObject({ code: 9 });
    expect(await overlayer(['unpack', '--merge', layer, dest])).toMatchObject({ code: 0 });
    expect(readdirSync(join(dest, 'etc')).sort()).toEqual(['kept', 'link', 'motd']);
  });
});

test('progress as JSON is one object a line', async () => {
  const { layer, dest } = fixture();
  const { stderr } = await overlayer(['unpack', '--progress', 'json', layer, dest]);
  const lines = stderr.trimEnd().split('\n');
  expect(JSON.parse(lines.at(-1)!)).toMatchObject({
    type: 'progress',
    compressedBytes: GZIPPED.length,
    compressedSize: GZIPPED.length,
    bytes: LAYER.length,
    entries: 5,
    rate: expect.any(Number),
  });
});

describe('dry run', () => {
  it('prints every operation and writes nothing', async () => {
    const { directory, layer, dest } = fixture();
    const { code, stdout } = await overlayer(['unpack', '--dry-run', layer, dest]);
    expect(code).toBe(0);
    expect(stdout.split('\n').slice(0, 8)).toEqual([
      'directory         etc (0755 0:0)',
      'file              etc/motd (0644 0:0, 6 B)',
      'symlink           etc/link -> motd',
      'file              bin/su (4755 0:0, 2 B)',
      '  ! setuid',
      'whiteout          etc/gone',
      '',
      `Would unpack ${layer} into ${dest}`,
    ]);
    expect(readdirSync(directory)).toEqual(['layer.tar.gz']);
  });

  it('gives the plan as JSON', async () => {
    const { layer, dest } = fixture();
    const { stdout } = await overlayer(['unpack', '--dry-run', '--json', layer, dest]);
    const { entries, result } = JSON.parse(stdout);
    expect(entries.map(({ op, path }: { op: string; path: string }) => `${op} ${path}`)).toEqual([
      'directory etc',
      'file etc/motd',
      'symlink etc/link',
      'file bin/su',
      'whiteout etc/gone',
    ]);
    expect(result.diffID).toBe(sha256(LAYER));
    expect(existsSync(dest)).toBe(false);
  });
});

test.each(['isal', 'zlib'])('the gzip decoder %s can be chosen', async (decoder) => {
  const { layer, dest } = fixture();
  const { stdout } = await overlayer(['unpack', '--gzip', decoder, '--json', layer, dest]);
  expect(JSON.parse(stdout).diffID).toBe(sha256(gunzipSync(GZIPPED)));
});
