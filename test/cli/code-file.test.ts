import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { expect, test } from 'vitest';
import { CodeFile, writeCodeFile } from '../../src/cli/compiled-code/code-file.js';
import { temporaryDirectory } from './helpers.js';

const SECTOR = 512;
const CHUNKS = fileURLToPath(new URL('../../dist/cli/chunks/', import.meta.url));

/** The code of real scripts. */
function codeOf(...names: readonly string[]): Map<string, Buffer> {
  const compile = (name: string) =>
    new Script(`(function (require, exports) {${readFileSync(CHUNKS + name)}})`);
  return new Map(names.map((name) => [name, compile(name).createCachedData()]));
}

test('each script gets its code', () => {
  const code = codeOf('start.cjs', 'threads.cjs');
  const path = join(temporaryDirectory(), 'code');
  writeCodeFile(path, code);
  const file = new CodeFile(path);
  expect([...file.names]).toEqual(['start.cjs', 'threads.cjs']);
  for (const [name, bytes] of code) expect(bytes.equals(file.read(name)!)).toBe(true);
  expect(file.read('other.cjs')).toBeUndefined();
});

test.each([
  ['zeros', 0],
  ['ones', 0xff],
])('code that lost a sector to %s is not read', (_, byte) => {
  const code = codeOf('start.cjs', 'listing.cjs', 'command-line.cjs');
  const path = join(temporaryDirectory(), 'code');
  writeCodeFile(path, code);
  const whole = readFileSync(path);
  const undetected: string[] = [];
  for (let start = 0; start < whole.length; start += SECTOR) {
    const damaged = Buffer.from(whole);
    damaged.subarray(start, start + SECTOR).fill(byte);
    writeFileSync(path, damaged);
    try {
      const file = new CodeFile(path);
      for (const [name, bytes] of code) {
        const read = file.read(name);
        if (read !== undefined && !bytes.equals(read)) undetected.push(`${name} at ${start}`);
      }
    } catch {
      // The index is damaged.
    }
  }
  expect(undetected).toEqual([]);
});
