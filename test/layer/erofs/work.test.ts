import { describe, expect, test } from 'vitest';
import { WorkBudget } from '../../../src/base/work-budget.js';
import { DEFAULT_LIMITS } from '../../../src/index.js';
import { ErofsLayer } from '../../../src/layer/erofs/erofs-layer.js';
import { TarDecoder } from '../../../src/tar/decoder.js';
import { makeErofsLayer } from '../../helpers/erofs-layer.js';
import { oldGnuSparse } from '../../helpers/sparse-members.js';
import { dir, file, hardlink, opaque, symlink, tar, whiteout } from '../../helpers/tar-builder.js';

const range = (count: number) => Array.from({ length: count }, (_, index) => index);
const deep = (levels: number) => Array(levels).fill('d').join('/');

/** How often a budget looks for an abort: each time after 64 units of work. */
function workOf(members: readonly Buffer[]): number {
  let looks = 0;
  const budget = new WorkBudget(DEFAULT_LIMITS, {
    look: () => {
      looks += 1;
    },
  });
  const layer = new ErofsLayer({
    ...{ limits: DEFAULT_LIMITS, budget, lowers: undefined, lowersLater: undefined, owners: undefined },
  });
  const archive = tar(...members);
  new TarDecoder(layer).write(archive);
  for (const _ of layer.finish(archive.length));
  return looks;
}

describe('twice the entries take twice the work:', () => {
  test.each<[string, (size: number) => Buffer[]]>([
    [
      'one opaque mark again and again',
      (size) => range(size).flatMap((at) => [file(`d/${at}`), opaque('d')]),
    ],
    [
      'an opaque mark over each level of a deep tree',
      (size) => range(size).flatMap((at) => [opaque(deep(at % 40)), file(`${deep((at % 40) + 1)}/f${at}`)]),
    ],
    [
      'a whiteout of a full directory, before and after each of its files',
      (size) => range(size).flatMap((at) => [whiteout('d'), file(`d/${at}`)]),
    ],
    [
      'whiteouts in a directory, and then of it',
      (size) => [...range(size).map((at) => whiteout(`d/${at}`)), ...range(size).map(() => whiteout('d'))],
    ],
    ['one file again and again', (size) => range(size).map(() => file('d/f', 'x'))],
    [
      'a full directory and a symlink in turn',
      (size) => range(size).flatMap(() => [dir('d'), file('d/f'), symlink('d', 'e')]),
    ],
    [
      'links that replace links',
      (size) => [file('f'), file('g'), ...range(size).map((at) => hardlink('l', at % 2 === 0 ? 'f' : 'g'))],
    ],
  ])('%s', (_, members) => {
    const [once, twice] = [workOf(members(1500)), workOf(members(3000))];
    expect(twice).toBeLessThan(once * 2.2 + 10);
  });
});

test('memory is limited, and the error names the entry', () => {
  const members = range(3000).map((at) => file(`d/${at}`));
  expect(() => makeErofsLayer(tar(...members), { limits: { maxMemory: 100_000 } })).toThrow(
    expect.objectContaining({ code: 'ResourceExhausted', entry: expect.stringMatching(/^d\/\d+$/) }),
  );
});

test('work is limited: symlinks that lead far, again and again', () => {
  const far = symlink('l', `${'a/../'.repeat(800)}d`);
  const members = range(200).flatMap((at) => [
    symlink(`x${at}`, 'x'),
    dir(`l/e${at}`),
    symlink(`x${at}`, 'y'),
  ]);
  expect(() => makeErofsLayer(tar(dir('a'), dir('d'), far, ...members), { limits: { maxWork: 1 } })).toThrow(
    expect.objectContaining({ code: 'ResourceExhausted' }),
  );
});

test('sparse files can not make the image larger than the limit of the archive', () => {
  const islands = range(1000).map((at) => [at * 1_000_000, 'x'] as const);
  const sparse = oldGnuSparse('s', 1_000_000_000, islands);
  expect(makeErofsLayer(tar(sparse)).bytes.length).toBeLessThan(20_000_000);
  const members = range(40).map(() => sparse);
  expect(() => makeErofsLayer(tar(...members), { limits: { maxBytes: 200_000_000 } })).toThrow(
    expect.objectContaining({ code: 'ResourceExhausted', entry: 's' }),
  );
});

test('a real tree that is deeper than any path of the layer', () => {
  // Each symlink leads 250 levels further down.
  const members = range(40).flatMap((at) => {
    const from = at === 0 ? '' : `l${at - 1}/`;
    return [file(`${from}${deep(200)}/f`), symlink(`l${at}`, `${from}${deep(200)}`)];
  });
  const { bytes } = makeErofsLayer(tar(...members, whiteout('d'), opaque(''), file('d', 'instead')));
  expect(bytes.length).toBeLessThan(300_000);
});
