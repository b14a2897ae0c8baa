import { describe, expect, test } from 'vitest';
import { refusal } from '../helpers/decode.js';
import {
  dir,
  file,
  GNU_MAGIC,
  hardlink,
  member,
  padded,
  pax,
  paxBytes,
  paxRecord,
  symlink,
  tar,
} from '../helpers/tar-builder.js';

function expectRefused(archive: Buffer, entry?: string): void {
  const error = refusal(archive);
  expect(error.code, error.message).toBe('InvalidArgument');
  expect(error.offset).toBeTypeOf('number');
  if (entry !== undefined) expect(error.entry).toBe(entry);
}

describe('sparse files that are some to one reader only', () => {
  const body = 'map or content';
  const sparse = (...records: readonly (readonly [key: string, value: string])[]) =>
    paxBytes(Buffer.concat(records.map(([key, value]) => paxRecord(`GNU.sparse.${key}`, value))));
  const VERSION_1 = [
    ['major', '1'],
    ['minor', '0'],
  ] as const;
  const refused = {
    'type S outside of GNU headers': member({ name: 'a', type: 'S' }, body),
    'a version without a size': Buffer.concat([
      pax({ 'GNU.sparse.major': '1', 'GNU.sparse.minor': '0' }),
      file('a', body),
    ]),
    'a map without a size': Buffer.concat([pax({ 'GNU.sparse.map': '0,14' }), file('a', body)]),
    'no map': Buffer.concat([sparse(['size', '0']), file('a')]),
    'two maps, in the records and in the body': Buffer.concat([
      sparse(...VERSION_1, ['realsize', '9'], ['numblocks', '0'], ['map', '']),
      file('a', padded(Buffer.from('0\n'))),
    ]),
    'two maps, of formats 0.0 and 0.1': Buffer.concat([
      sparse(['size', '9'], ['numblocks', '2'], ['map', '0,1'], ['offset', '5'], ['numbytes', '1']),
      file('a', 'xy'),
    ]),
    'more ranges than it says': Buffer.concat([
      sparse(['size', '9'], ['numblocks', '1'], ['map', '0,1,5,1']),
      file('a', 'xy'),
    ]),
    'fewer ranges than it says': Buffer.concat([
      sparse(['size', '9'], ['numblocks', '5'], ['offset', '0'], ['numbytes', '1']),
      file('a', 'x'),
    ]),
    'no number of ranges': Buffer.concat([sparse(['size', '9'], ['map', '0,1']), file('a', 'x')]),
  };
  for (const [name, archive] of Object.entries(refused)) test(name, () => expectRefused(tar(archive), 'a'));

  test('two full sizes', () => {
    const map = padded(Buffer.from('1\n0\n3\n'));
    const records = sparse(...VERSION_1, ['realsize', '20'], ['size', '9']);
    expectRefused(tar(records, file('a', Buffer.concat([map, Buffer.from('abc')]))));
  });

  // GNU tar makes `other`; Go (docker, containerd, umoci) and Python make `a`.
  describe('the name of a sparse file is not read for', () => {
    const records = pax({ path: 'a', 'GNU.sparse.name': 'other', 'GNU.sparse.realsize': '0' });
    const entries = {
      directory: dir('a'),
      symlink: symlink('a', 'target'),
      fifo: member({ name: 'a', type: '6' }),
      hardlink: hardlink('a', 'first'),
      'sparse file of type S': member({ name: 'a', type: 'S', magic: GNU_MAGIC }),
    };
    for (const [type, entry] of Object.entries(entries))
      test(`a ${type}`, () => {
        const { code, message } = refusal(tar(file('first'), records, entry));
        expect([code, message]).toEqual([
          'InvalidArgument',
          expect.stringContaining(`a ${type} has PAX records`),
        ]);
      });
  });

  test("star's", () => {
    expect(refusal(tar(pax({ 'SCHILY.realsize': '900' }), file('a', body))).code).toBe('Unimplemented');
  });
});
