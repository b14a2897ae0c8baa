import fc from 'fast-check';

const BLOCK = 512;

/** A place in a layer, from 0 (its beginning) to 1: good for a layer of any length. */
type Place = number;

/** What happens to a layer's bytes. Plain data, so that a case that fails can be read. */
export type Mutation =
  | { readonly kind: 'flip'; readonly at: Place; readonly bit: number }
  | { readonly kind: 'byte'; readonly at: Place; readonly value: number }
  | { readonly kind: 'truncate'; readonly at: Place }
  | { readonly kind: 'append'; readonly bytes: string }
  | { readonly kind: 'splice'; readonly from: Place; readonly to: Place; readonly length: number }
  | { readonly kind: 'duplicate' | 'remove' | 'zero'; readonly block: Place; readonly count: number }
  | { readonly kind: 'swap'; readonly block: Place; readonly other: Place }
  /** A header with another field, and the checksum that it should have. */
  | { readonly kind: 'field'; readonly header: Place; readonly field: Field; readonly value: string };

const FIELDS = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  type: [156, 1],
  linkname: [157, 100],
  magic: [257, 8],
  devmajor: [329, 8],
  devminor: [337, 8],
  prefix: [345, 155],
} as const;
type Field = keyof typeof FIELDS;

const VALUES: readonly string[] = [
  '',
  '0',
  '1',
  '00000000001\0',
  '00000001000\0',
  '77777777777\0',
  '-0000000001\0',
  '\x80\0\0\0\0\0\0\0\0\0\0\x01',
  '\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x80\0\0\x7f\xff\xff\xff\xff\xff\xff\xff\xff',
  '\x80\0\0\x01\0\0\0\0',
  '        ',
  '0x10',
  ...'1234567xgLKSDMVXA',
  '.',
  '..',
  './',
  '/',
  '../../outside',
  '/etc/passwd',
  'd/../../outside',
  'd',
  'd/setuid',
  'dir/file',
  '.wh.d',
  '.wh..wh..opq',
  '.wh.',
  '.wh...',
  'd/.wh..wh.plnk',
  'x'.repeat(100),
  'a/'.repeat(50),
  '\xff\xfe',
  'ustar\x0000',
  'ustar  \0',
];

/** Not biased to the ends, as numbers of fast-check are: all of a layer is of interest. */
export const place: fc.Arbitrary<Place> = fc.noBias(fc.nat({ max: 99_999 })).map((part) => part / 100_000);
const count = fc.integer({ min: 1, max: 4 });

const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('flip' as const), at: place, bit: fc.nat({ max: 7 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('byte' as const), at: place, value: fc.nat({ max: 255 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('truncate' as const), at: place }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      bytes: fc.string({ unit: 'binary-ascii' }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('splice' as const),
      from: place,
      to: place,
      length: fc.integer({ min: 1, max: 2000 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('duplicate' as const, 'remove' as const, 'zero' as const),
      block: place,
      count,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('swap' as const), block: place, other: place }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('field' as const),
      header: place,
      field: fc.constantFrom(...(Object.keys(FIELDS) as Field[])),
      value: fc.constantFrom(...VALUES),
    }),
  },
);

export const mutations = fc.array(mutation, { minLength: 1, maxLength: 5 });

export function mutate(bytes: Buffer, changes: readonly Mutation[]): Buffer {
  return changes.reduce<Buffer>((current, change) => apply(Buffer.from(current), change), bytes);
}

function apply(bytes: Buffer, change: Mutation): Buffer {
  if (bytes.length === 0) return bytes;
  const offset = (at: Place) => Math.floor(at * bytes.length);
  const blockAt = (at: Place) => Math.floor((at * bytes.length) / BLOCK) * BLOCK;
  switch (change.kind) {
    case 'flip':
      bytes[offset(change.at)]! ^= 1 << change.bit;
      return bytes;
    case 'byte':
      bytes[offset(change.at)] = change.value;
      return bytes;
    case 'truncate':
      return bytes.subarray(0, offset(change.at));
    case 'append':
      return Buffer.concat([bytes, Buffer.from(change.bytes, 'latin1')]);
    case 'splice':
      bytes.copyWithin(offset(change.to), offset(change.from), offset(change.from) + change.length);
      return bytes;
    case 'swap': {
      const block = Buffer.from(bytes.subarray(blockAt(change.block), blockAt(change.block) + BLOCK));
      bytes.copyWithin(blockAt(change.block), blockAt(change.other), blockAt(change.other) + BLOCK);
      block.copy(bytes, blockAt(change.other));
      return bytes;
    }
    case 'field':
      return editHeader(bytes, change);
    default: {
      const start = blockAt(change.block);
      const end = Math.min(start + change.count * BLOCK, bytes.length);
      if (change.kind === 'zero') return bytes.fill(0, start, end);
      const kept = change.kind === 'remove' ? start : end;
      return Buffer.concat([bytes.subarray(0, kept), bytes.subarray(change.kind === 'remove' ? end : start)]);
    }
  }
}

function editHeader(bytes: Buffer, change: Mutation & { kind: 'field' }): Buffer {
  const headers: number[] = [];
  for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) if (isHeader(bytes, at)) headers.push(at);
  const start = headers[Math.floor(change.header * headers.length)];
  if (start === undefined) return bytes;
  const [offset, length] = FIELDS[change.field];
  bytes.fill(0, start + offset, start + offset + length);
  bytes.write(change.value, start + offset, length, 'latin1');
  bytes.write(`${checksum(bytes, start).toString(8).padStart(6, '0')}\0 `, start + 148, 'latin1');
  return bytes;
}

function isHeader(bytes: Buffer, at: number): boolean {
  return Number.parseInt(bytes.toString('latin1', at + 148, at + 156), 8) === checksum(bytes, at);
}

function checksum(bytes: Buffer, start: number): number {
  let sum = 0x20 * 8;
  for (let at = start; at < start + BLOCK; at++) if (at < start + 148 || at >= start + 156) sum += bytes[at]!;
  return sum;
}
