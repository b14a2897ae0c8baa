import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, it, test } from 'vitest';
import { controlCharacters, overlayer, start, tarOf, temporaryDirectory } from './helpers.js';

const LAYER = await tarOf(
  { name: './', type: 'directory' },
  { name: './etc//passwd', uid: 1, gid: 2, content: 'root' },
  { name: './etc/.wh.shadow' },
  { name: './var/.wh..wh..opq' },
  { name: './etc/mtab', type: 'symlink', linkname: '/proc/mounts' },
  { name: './etc/hard', type: 'link', linkname: './etc/passwd' },
  { name: './dev/null', type: 'character-device', devmajor: 1, devminor: 3, mode: 0o666 },
);

describe('inspect', () => {
  it('lists entries as ls -l does, then sums up', async () => {
    const { code, stdout, stderr } = await overlayer(['inspect', '-'], { input: LAYER });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const rows = stdout.split('\n');
    expect(rows[0]).toMatch(/^MODE +OWNER +SIZE {2}MODIFIED \(UTC\) +NAME$/);
    expect(rows[2]).toMatch(
      /^-rw-r--r-- +1:2 +4 B {2}2024-05-06 07:08 {2}\.\/etc\/\/passwd {2}\[non-canonical-name\]$/,
    );
    expect(rows[3]).toMatch(/^whiteout .*\.\/etc\/\.wh\.shadow/);
    expect(rows[4]).toMatch(/^opaque .*\.\/var\/\.wh\.\.wh\.\.opq/);
    expect(rows[5]).toMatch(/^lrw.* \.\/etc\/mtab -> \/proc\/mounts {2}\[.*absolute-link.*\]$/);
    expect(rows[6]).toMatch(/^hrw.* link to \.\/etc\/passwd/);
    expect(rows[7]).toMatch(/^crw-rw-rw- .* 1, 3 .*\[.*device.*\]$/);
    expect(stdout).toMatch(/\n {2}whiteouts {2}2\n/);
    expect(stdout).toMatch(/│ file +│ +1 │ +4 B │/);
    expect(stdout).toMatch(/│ device +│ +1 │ \.\/dev\/null/);
  });

  it('gives everything as one JSON document', async () => {
    const { stdout } = await overlayer(['inspect', '--json', '-'], { input: LAYER });
    const { entries, result } = JSON.parse(stdout);
    expect(entries).toHaveLength(7);
    expect(entries[1]).toEqual({
      op: 'file',
      path: 'etc/passwd',
      entry: {
        path: './etc//passwd',
        type: 'file',
        size: 4,
        mode: '0644',
        uid: 1,
        gid: 2,
        mtime: '2024-05-06T07:08:09Z',
        offset: 512,
      },
      anomalies: [{ kind: 'non-canonical-name', detail: 'etc/passwd' }],
    });
    expect(entries[2]).toMatchObject({ op: 'whiteout', path: 'etc/shadow' });
    expect(entries[5]).toMatchObject({ op: 'hardlink', linkPath: 'etc/passwd' });
    expect(result).toMatchObject({ entries: 7, whiteouts: 2, compression: 'none' });
  });

  it('closes the JSON document of a damaged layer', async () => {
    const { code, stdout } = await overlayer(['inspect', '--json', '-'], { input: LAYER.subarray(0, 1100) });
    expect(code).toBe(15);
    expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'DataLoss' } });
  });

  it('lists an empty layer, where that is said to be one', async () => {
    const input = new Uint8Array();
    expect(await overlayer(['inspect', '-'], { input })).toMatchObject({ code: 15 });
    const { code, stdout } = await overlayer(['inspect', '--json', '--allow-empty', '-'], { input });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ entries: [], result: { entries: 0 } });
  });
});

test('hostile names are shown, not obeyed, and are valid JSON', async () => {
  const input = Buffer.from(await tarOf({ name: 'evil\x1b]0;owned\x07\x1b[2J\nroot' }, { name: 'latin-x' }));
  // A byte that is not UTF-8, in a header whose checksum then wants the difference.
  const at = input.indexOf('latin-x') + 6;
  input[at] = 0xe9;
  const checksum = input.indexOf('ustar', at) - 109;
  const sum = Number.parseInt(input.toString('latin1', checksum, checksum + 6), 8) + 0xe9 - 'x'.charCodeAt(0);
  input.write(sum.toString(8).padStart(6, '0'), checksum, 'latin1');

  for (const args of [['inspect'], ['unpack', '--dry-run']]) {
    const dest = args[0] === 'unpack' ? ['/nonexistent'] : [];
    const { code, stdout } = await overlayer([...args, '-', ...dest], { input });
    expect(code).toBe(0);
    expect(stdout).toContain('evil\\x1b]0;owned\\x07\\x1b[2J\\x0aroot');
    expect(stdout).toContain('latin-\\xe9');
    expect(controlCharacters(stdout)).toEqual([]);
  }
  const { stdout } = await overlayer(['inspect', '--json', '-'], { input });
  const paths = JSON.parse(stdout).entries.map(({ path }: { path: string }) => path);
  expect(paths).toEqual(['evil\x1b]0;owned\x07\x1b[2J\nroot', 'latin-\udce9']);
});

test('a reader that has seen enough ends a long listing quietly', async () => {
  const layer = join(temporaryDirectory(), 'layer.tar');
  const names = Array.from({ length: 20_000 }, (_, i) => ({ name: `directory/of/a/long/listing/file-${i}` }));
  writeFileSync(layer, await tarOf(...names));
  const child = start(['inspect', layer]);
  const errors = text(child.stderr!);
  const closed = once(child, 'close');
  await once(child.stdout!, 'data');
  child.stdout!.destroy();
  expect(await closed).toEqual([0, null]);
  expect(await errors).toBe('');
});
