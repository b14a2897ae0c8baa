import { describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import { dir, file, symlink, tar } from '../helpers/tar-builder.js';

// CVE-2024-28863: node-tar made the parents of a path as deep as it was asked to.
const down = (depth: number) => Array(depth).fill('d').join('/');

/** A tree far deeper than a path may be long, by names that are all short: each part begins at a symlink. */
function abyss(parts: number): Buffer[] {
  const entries = [dir(down(200)), symlink('s0', down(200))];
  for (let part = 1; part < parts; part++)
    entries.push(dir(`s${part - 1}/${down(200)}`), symlink(`s${part}`, `s${part - 1}/${down(200)}`));
  return entries;
}

describe('CVE-2024-28863: depth of folders', { timeout: 60_000 }, () => {
  test('a name of 2,000 components', async ({ box }) => {
    const error = await box.failure(tar(file(`${down(2000)}/f`, 'x')));
    expect(error).toMatchObject({ code: 'ResourceExhausted' });
    expect(error.message).toContain('maxPathDepth');
  });

  test('200 components are fine', async ({ box }) => {
    await box.unpack(tar(file(`${down(200)}/f`, 'x')));
    expect(box.read(`${down(200)}/f`)).toBe('x');
  });

  test('a tree deeper than PATH_MAX goes after a failure', async ({ box }) => {
    const error = await box.failure(tar(...abyss(30), file('a'), Buffer.alloc(512, 'not a header')));
    expect(error.code).toBe('InvalidArgument');
  });

  test('a tree of 2,000 levels is made, and goes by a later layer', async ({ box }) => {
    await box.unpack(tar(...abyss(10)));
    await box.merge(file('d', 'a file now'));
    expect(box.read('d')).toBe('a file now');
  });

  test('one of 6,000 levels, which no path reaches, is made as well', async ({ box }) => {
    const { entries } = await box.unpack(tar(...abyss(30), file('a', 'x')));
    expect(entries).toBeGreaterThan(60);
    expect(box.read('a')).toBe('x');
  });
});
