import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, it } from 'vitest';
import { type Finished, start, tarOf, temporaryDirectory } from './helpers.js';

const LAYER = await tarOf(
  { name: 'first', content: Buffer.alloc(2 ** 20) },
  { name: 'second', content: Buffer.alloc(2 ** 20) },
);

/** Feeds half of a layer, and interrupts when some of it has been unpacked; standard input stays open. */
async function interrupt(args: readonly string[], signal: NodeJS.Signals): Promise<Finished> {
  const child: ChildProcess = start([...args, '--progress', 'json']);
  const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
  child.stdin!.on('error', () => {});
  child.stdin!.write(LAYER.subarray(0, LAYER.length / 2 + 4096));
  let last = '';
  for await (const line of createInterface(child.stderr!)) {
    last = line;
    if (JSON.parse(line).entries > 0 && !child.killed) child.kill(signal);
  }
  return { code: await closed, stdout: '', stderr: last };
}

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s', (signal, code) => {
  it(`ends with ${code} and leaves neither destination nor staging`, async () => {
    const directory = temporaryDirectory();
    const result = await interrupt(['unpack', '-', join(directory, 'rootfs')], signal);
    expect(result.code).toBe(code);
    expect(JSON.parse(result.stderr)).toMatchObject({
      code: 'Cancelled',
      message: `stopped by ${signal}`,
      aftermath: expect.stringMatching(/^nothing was left at ".*rootfs"$/),
    });
    expect(readdirSync(directory)).toEqual([]);
  });
});

it('leaves no part of a snapshot', async () => {
  const root = join(temporaryDirectory(), 'store');
  const store = ['--root', root, '--backend', 'native'];
  const result = await interrupt(['snapshots', 'unpack', '-', '--key', 'layer', ...store], 'SIGINT');
  expect(result.code).toBe(130);
  expect(JSON.parse(result.stderr)).toMatchObject({
    code: 'Cancelled',
    aftermath: 'snapshot "layer" was not made',
  });
  expect(readdirSync(join(root, 'snapshots'))).toEqual([]);
});

it('says what an interrupted merge leaves', async () => {
  const directory = temporaryDirectory();
  mkdirSync(join(directory, 'rootfs/old'), { recursive: true });
  const result = await interrupt(['unpack', '--merge', '-', join(directory, 'rootfs')], 'SIGINT');
  expect(result.code).toBe(130);
  expect(JSON.parse(result.stderr).aftermath).toMatch(/^".*rootfs" keeps what was written to it until then$/);
  expect(readdirSync(join(directory, 'rootfs'))).toContain('old');
  expect(readdirSync(directory)).toEqual(['rootfs']);
});
