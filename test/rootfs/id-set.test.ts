import fc from 'fast-check';
import { expect, test } from 'vitest';
import { IdSet } from '../../src/rootfs/id-set.js';

const ids = fc
  .tuple(
    fc.constantFrom('0:1', '8:17'),
    fc.oneof(fc.nat(200), fc.integer({ min: 2 ** 40, max: 2 ** 40 + 200 })),
  )
  .map(([device, inode]) => `${device}:${inode}`);

test('it holds what a set of strings holds', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom('add', 'add', 'delete'), ids), { maxLength: 600 });
  fc.assert(
    fc.property(steps, (all) => {
      const model = new Set<string>();
      const set = new IdSet(() => {});
      for (const [step, id] of all) {
        model[step as 'add'](id);
        set[step as 'add'](id);
        expect(set.has(id)).toBe(model.has(id));
      }
      for (const [, id] of all) expect(set.has(id)).toBe(model.has(id));
    }),
  );
});

test('it tells of all the memory that it takes: at most 32 bytes for each id', () => {
  let bytes = 0;
  const set = new IdSet((more) => {
    bytes += more;
  });
  for (let inode = 0; inode < 50_000; inode++) set.add(`0:1:${inode}`);
  expect(bytes).toBeGreaterThan(50_000 * 8);
  expect(bytes).toBeLessThan(50_000 * 32);
});
