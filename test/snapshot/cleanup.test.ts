import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openSnapshotter, type Snapshotter } from '../../src/index.js';
import { SnapshotDirectories } from '../../src/snapshot/store/snapshot-directories.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { useNamespace } from '../helpers/namespace-process.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const DIST = new URL('../../dist/', import.meta.url).href;

let root: string;
let snapshots: Snapshotter;
beforeEach(async () => {
  root = makeWorkDirectory();
  snapshots = await openSnapshotter({ root, backend: 'native' });
  await snapshots.prepare('mine');
});
afterEach(async () => {
  await snapshots.close();
  rmSync(root, { recursive: true });
});

const at = (...names: string[]) => join(root, 'snapshots', ...names);

function leave(name: string): void {
  mkdirSync(at(name, 'fs/deep/er'), { recursive: true });
  writeFileSync(at(name, 'fs/deep/file'), 'text');
}

test('what nobody names goes: made, being made, being removed', async () => {
  for (const name of ['77', 'new-abc', 'rm-5-xyz']) leave(name);
  const { removed, failed } = await snapshots.cleanup();
  expect([...removed].sort()).toEqual(['77', 'new-abc', 'rm-5-xyz']);
  expect(failed).toEqual([]);
  expect(readdirSync(at())).toEqual(['1']);
});

test('what is not ours stays', async () => {
  leave('lost+found');
  writeFileSync(at('notes'), '');
  expect(await snapshots.cleanup()).toEqual({ removed: [], failed: [] });
  expect(readdirSync(at()).sort()).toEqual(['1', 'lost+found', 'notes']);
});

test('what a living process is at work on stays, and goes once it has died', async () => {
  const program = `
    const { SnapshotDirectories } = await import(${JSON.stringify(`${DIST}snapshot/store/snapshot-directories.js`)});
    const { openLinuxSystem } = await import(${JSON.stringify(`${DIST}system/linux.js`)});
    const directories = new SnapshotDirectories(openLinuxSystem(), process.argv[1]);
    directories.stage();
    await directories.stage().publish(500);
    process.send('ready');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, at()], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  await once(child, 'message');
  expect(await snapshots.cleanup()).toEqual({ removed: [], failed: [] });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const { removed } = await snapshots.cleanup();
  expect(removed).toHaveLength(2);
  expect(removed).toContain('500');
  expect(readdirSync(at())).toEqual(['1']);
});

test('a directory that is removed right after it was made is made once more', () => {
  const system = openLinuxSystem();
  const made: string[] = [];
  const hasty = {
    ...system,
    makeDirectory(directory: number, name: string, mode: number) {
      system.makeDirectory(directory, name, mode);
      if (made.push(name) === 1) system.removeDirectory(directory, name);
    },
  };
  const directories = new SnapshotDirectories(hasty, at());
  const staged = directories.stage();
  expect(made).toHaveLength(2);
  expect(staged.path).toBe(at(made[1]!));
  staged.release();
  directories.close();
});

describe('where something is mounted', () => {
  const namespace = useNamespace('root');

  test('it is not followed there, and the rest is told', async () => {
    const directory = namespace.directory();
    const result = await namespace.inside.run(async ({ overlayer, fs, path }, directory) => {
      const root = path.join(directory, 'root');
      const snapshots = await overlayer.openSnapshotter({ root, backend: 'native' });
      const precious = path.join(directory, 'precious');
      fs.mkdirSync(precious);
      fs.writeFileSync(path.join(precious, 'file'), 'text');
      const [mount] = await snapshots.prepare('a');
      const inside = path.join(mount!.source, 'mounted');
      fs.mkdirSync(inside);
      await overlayer.mountAll([{ type: 'bind', source: precious, options: ['rbind'] }], inside);
      await snapshots.remove('a');
      const names = fs.readdirSync(path.join(root, 'snapshots'));
      const { failed } = await snapshots.cleanup();
      const safe = fs.readFileSync(path.join(precious, 'file'), 'utf8');
      await overlayer.unmountAll(path.join(root, 'snapshots', names[0]!, 'fs/mounted'));
      const after = await snapshots.cleanup();
      await snapshots.close();
      const { code } = failed[0]!.error as { code: string };
      return { names, code, directory: failed[0]!.directory, safe, after };
    }, directory);
    expect(result.names).toHaveLength(1);
    expect(result.names[0]).toMatch(/^rm-1-/);
    expect(result).toMatchObject({
      code: 'FailedPrecondition',
      directory: result.names[0],
      safe: 'text',
      after: { removed: result.names, failed: [] },
    });
    expect(existsSync(join(directory, 'precious/file'))).toBe(true);
  });
});
