import { describe, expect, test } from 'vitest';
import { decode, refusal } from '../helpers/decode.js';
import { file, pax, paxBytes, paxGlobal, paxRecord, tar } from '../helpers/tar-builder.js';

// Global headers need no entry, and hold for all entries to come: what they say and how many there are is bounded, and
// nothing of them is kept but the owner and the times.

const repeat = (bytes: Buffer, count: number) => Buffer.concat(Array<Buffer>(count).fill(bytes));
/** Processor seconds. */
function cost(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

describe('global headers are charged', () => {
  test('all of their bytes together against the limit of one header', () => {
    const header = paxGlobal({ comment: 'c'.repeat(500) });
    const limits = { maxHeaderBytes: 5200 };
    expect(decode(tar(repeat(header, 10), file('f')), 512, limits)).toHaveLength(1);
    expect(refusal(tar(repeat(header, 11), file('f')), limits)).toMatchObject({
      code: 'ResourceExhausted',
      offset: 10 * header.length,
    });
  });

  test('their number, with that of the entries', () => {
    const empty = paxBytes('', 'g');
    expect(decode(tar(repeat(empty, 3), file('f')), 512, { maxEntries: 4 })).toHaveLength(1);
    for (const archive of [tar(repeat(empty, 5)), tar(repeat(empty, 4), file('f'))])
      expect(refusal(archive, { maxEntries: 4 })).toMatchObject({ code: 'ResourceExhausted', offset: 2048 });
  });

  test('local headers do not count: an entry follows each', () => {
    const entry = Buffer.concat([pax({ comment: 'c'.repeat(500) }), file('f')]);
    expect(decode(tar(repeat(entry, 20)), 512, { maxHeaderBytes: 600, maxEntries: 20 })).toHaveLength(20);
  });
});

test('an entry after many global headers costs as much as after one', () => {
  const globals = Array.from({ length: 20_000 }, (_, index) => paxGlobal({ uid: String(index) }));
  const entries = repeat(file('f'), 20_000);
  const few = tar(globals[0]!, entries);
  const many = tar(...globals, entries);
  const costs = [few, many, few, many].map((archive) => cost(() => decode(archive, 1 << 20)));
  expect(Math.min(costs[1]!, costs[3]!)).toBeLessThan(4 * Math.min(costs[0]!, costs[2]!) + 0.1);
});

test('the records of a header are read in a time that grows with its bytes', () => {
  const version = paxRecord('GNU.sparse.minor', '0'.repeat(500_000));
  const again = paxRecord('GNU.sparse.major', '1');
  const archive = tar(
    paxBytes(Buffer.concat([version, repeat(again, 20_000)])),
    paxBytes(repeat(Buffer.from('5 a=\n'), 100_000), 'g'),
  );
  expect(cost(() => refusal(archive))).toBeLessThan(3);
});
