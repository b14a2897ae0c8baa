import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openSnapshotter } from '../../src/index.js';
import { file, tar } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import { unpackSnapshot } from '../helpers/unpack-snapshot.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const MAIN = new URL('../../dist/cli/main.js', import.meta.url).pathname;

const archive = tar(file('f', 'text'), file('g', 'more'));
const chainID = `sha256:${sha256(archive)}`;

let directory: string;
let root: string;
let layer: string;
let tree: string;
beforeEach(async () => {
  directory = makeWorkDirectory();
  root = join(directory, 'root');
  layer = join(directory, 'layer.tar.gz');
  writeFileSync(layer, gzipSync(archive));
  const snapshots = await openSnapshotter({ root, backend: 'native' });
  tree = await unpackSnapshot(snapshots, archive, { name: chainID });
  await snapshots.close();
});
afterEach(() => rmSync(directory, { recursive: true }));

function check(...flags: string[]) {
  const args = [MAIN, 'snapshots', 'check', '--root', root, ...flags];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  return { status, stdout, stderr };
}

test('a clean store', () => {
  expect(check()).toEqual({
    status: 0,
    stdout: 'Checked 1 snapshot, 3 entries, 8 B read: nothing is wrong\n',
    stderr: '',
  });
});

test('progress is shown as JSON', () => {
  const { status, stderr } = check('--progress', 'json');
  expect(status).toBe(0);
  expect(JSON.parse(stderr.trim().split('\n').at(-1)!)).toEqual({
    ...{ type: 'progress', snapshots: 1, totalSnapshots: 1, entries: 3, bytes: 8 },
    seconds: expect.any(Number),
  });
});

test('damage is told in a table, and by the exit code', () => {
  truncateSync(join(tree, 'fs/f'), 0);
  const { status, stdout } = check('--quick');
  expect(status).toBe(15);
  expect(stdout).toMatch(/modified +sha256:\w+ +f +size 0 instead of 4/);
  expect(stdout).toContain('Checked 1 snapshot, 3 entries, 0 B read: 1 finding\n');
});

test('and repaired from a layer that is given, among others', () => {
  truncateSync(join(tree, 'fs/f'), 0);
  const other = join(directory, 'other.tar');
  writeFileSync(other, tar(file('f', 'of another layer')));
  expect(check('--repair', '--layer', other).status).toBe(15);
  const dry = check('--repair', '--layer', other, '--layer', layer, '--dry-run');
  expect(dry).toMatchObject({ status: 15, stdout: expect.stringContaining('1 would be repaired') });
  const { status, stdout } = check('--repair', '--layer', other, '--layer', layer);
  expect({ status, stdout }).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('1 finding, 1 repaired'),
  });
  expect(readFileSync(join(tree, 'fs/f'), 'utf8')).toBe('text');
  expect(check().status).toBe(0);
});

test('a directory that is gone is known by its chainID', () => {
  rmSync(tree, { recursive: true });
  expect(check().status).toBe(15);
  expect(check('--repair', '--layer', layer).status).toBe(0);
  expect(readFileSync(join(tree, 'fs/f'), 'utf8')).toBe('text');
});

test('a directory of no snapshot is no damage, and can be deleted', () => {
  mkdirSync(join(root, 'snapshots/77'));
  expect(check()).toMatchObject({
    status: 0,
    stdout: expect.stringContaining('no snapshot has this directory'),
  });
  expect(check('--prune').stdout).toContain('1 finding, 1 deleted');
  expect(check().stdout).toContain('nothing is wrong');
});

test('lost metadata', () => {
  rmSync(join(root, 'metadata.db'));
  const failure = check();
  expect(failure.status).toBe(15);
  expect(failure.stderr).toContain('overlayer snapshots check --rebuild');
  const { status, stdout } = check('--rebuild');
  expect(status).toBe(0);
  expect(stdout).toMatch(/^Recovered 1 snapshot\nChecked 1 snapshot/);
  expect(check('--rebuild').status).toBe(9);
});

test('as one JSON document', () => {
  truncateSync(join(tree, 'fs/f'), 0);
  const { status, stdout } = check('--json');
  expect(status).toBe(15);
  expect(JSON.parse(stdout)).toMatchObject({
    snapshots: 1,
    damaged: true,
    findings: [{ kind: 'modified', snapshot: chainID, path: 'f', diffID: chainID, outcome: 'found' }],
  });
});

test('flags that make no sense together', () => {
  expect(check('--rebuild', '--dry-run').stderr).toContain("cannot be used with option '--dry-run'");
  expect(check('--layer', layer).stderr).toContain("needs '--repair'");
});
