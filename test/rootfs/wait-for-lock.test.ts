import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { openSnapshotter } from '../../src/index.js';
import { lockDirectory } from '../../src/rootfs/lock-directory.js';
import { waitForLock } from '../../src/rootfs/wait-for-lock.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD } from '../../src/system/system.js';
import { start, temporaryDirectory } from '../cli/helpers.js';

/** A process of flock(1) that holds the lock of a directory. */
async function holdLock(directory: string): Promise<number> {
  const holder = spawn('flock', ['--exclusive', '--no-fork', directory, 'cat']);
  onTestFinished(() => void holder.kill('SIGKILL'));
  // cat answers: it runs, and has the lock.
  holder.stdin.write('locked');
  await once(holder.stdout, 'data');
  return holder.pid!;
}

function take(directory: string): () => number | undefined {
  return () => {
    const lock = lockDirectory(openLinuxSystem(), AT_FDCWD, directory);
    return typeof lock === 'number' ? lock : undefined;
  };
}

test('a lock that is not released is an error that names the directory and the process', async () => {
  const path = temporaryDirectory();
  const holder = await holdLock(path);
  process.kill(holder, 'SIGSTOP');
  await expect.poll(() => readFileSync(`/proc/${holder}/stat`, 'utf8')).toMatch(/\) T /);
  await expect(waitForLock(take(path), { path, limitMs: 20 })).rejects.toMatchObject({
    code: 'Unavailable',
    message: `Cannot lock "${path}" within 0.02 s: process ${holder} (cat), which is stopped, has the lock`,
  });
});

test('an abort ends the wait', async () => {
  const path = temporaryDirectory();
  await holdLock(path);
  const abort = new AbortController();
  const waiting = waitForLock(take(path), { path, signal: abort.signal });
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});

test.each([
  ['plain', [], /^overlayer: Waiting for the lock of ".*shared-mounts": process \d+ \(cat\) has it\n$/],
  ['JSON', ['--json'], /^\{"type":"lock-wait","path":".*shared-mounts","holder":"process \d+ \(cat\)"\}\n$/],
] as const)(
  'a command says in %s text that it waits for a lock, and a signal ends it',
  async (_, flags, text) => {
    const root = temporaryDirectory();
    await (await openSnapshotter({ root, backend: 'erofs' })).close();
    const shared = join(root, 'shared-mounts');
    mkdirSync(join(shared, '1-1'), { recursive: true });
    await holdLock(shared);
    const cleanup = start(['snapshots', 'cleanup', '--root', root, '--backend', 'erofs', ...flags]);
    const [line] = await once(cleanup.stderr!, 'data');
    expect(String(line)).toMatch(text);
    cleanup.kill('SIGTERM');
    expect(await once(cleanup, 'exit')).not.toEqual([0, null]);
  },
);
