import { describe, expect, test } from 'vitest';
import { parseFilters } from '../../src/metadata/filter.js';
import { type Labels, labelOf, updateLabels } from '../../src/metadata/labels.js';

/** Names that JavaScript's objects have by themselves. */
const NAMES = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
const labelled = (name: string, value: string): Labels => Object.fromEntries([[name, value]]);

describe.each(NAMES)('a label may be called %s', (name) => {
  test('is set, by itself or with all', () => {
    for (const paths of [[], ['labels'], [`labels.${name}`]])
      expect(Object.entries(updateLabels({}, labelled(name, 'x'), paths))).toEqual([[name, 'x']]);
  });

  test('is taken away', () =>
    expect(Object.keys(updateLabels(labelled(name, 'x'), {}, [`labels.${name}`]))).toEqual([]));

  test('is there for a filter only where it was set', () => {
    const passes = parseFilters([`labels."${name}"`]);
    const fields =
      (labels: Labels) =>
      ([, ...rest]: readonly string[]) =>
        labelOf(labels, rest.join('.'));
    expect([passes(fields({})), passes(fields(labelled(name, 'x')))]).toEqual([false, true]);
  });
});
