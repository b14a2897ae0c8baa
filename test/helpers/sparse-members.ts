import { GNU_MAGIC, header, member, padded, paxBytes, paxRecord } from './tar-builder.js';

/** A range of a sparse file, and what stands there. */
export type Island = readonly [offset: number, text: string];

/** Every way in which a sparse file is kept in an archive. */
export const SPARSE_FORMATS = {
  'old GNU': oldGnuSparse,
  'PAX 0.0': paxSparse00,
  'PAX 0.1': paxSparse01,
  'PAX 1.0': paxSparse10,
} as const;

const RANGES_IN_HEADER = 4;
const RANGES_IN_BLOCK = 21;

/** Type `S`: four ranges in the header, the rest in extension blocks of 21 before the data. */
export function oldGnuSparse(name: string, size: number, islands: readonly Island[]): Buffer {
  const stored = data(islands);
  const head = header({
    name,
    type: 'S',
    magic: GNU_MAGIC,
    size: stored.length,
    patch(block) {
      putRanges(block, 386, islands.slice(0, RANGES_IN_HEADER));
      block[482] = islands.length > RANGES_IN_HEADER ? 1 : 0;
      putNumber(block, 483, size);
    },
  });
  const extensions: Buffer[] = [];
  for (let at = RANGES_IN_HEADER; at < islands.length; at += RANGES_IN_BLOCK) {
    const block = Buffer.alloc(512);
    putRanges(block, 0, islands.slice(at, at + RANGES_IN_BLOCK));
    block[504] = islands.length > at + RANGES_IN_BLOCK ? 1 : 0;
    extensions.push(block);
  }
  return Buffer.concat([head, ...extensions, padded(stored)]);
}

/** Records that repeat: offset, numbytes, offset, numbytes … */
function paxSparse00(name: string, size: number, islands: readonly Island[]): Buffer {
  const records = islands.flatMap(([offset, text]) => [
    paxRecord('GNU.sparse.offset', String(offset)),
    paxRecord('GNU.sparse.numbytes', String(text.length)),
  ]);
  const head = [
    paxRecord('GNU.sparse.size', String(size)),
    paxRecord('GNU.sparse.numblocks', String(islands.length)),
  ];
  return Buffer.concat([paxBytes(Buffer.concat([...head, ...records])), member({ name }, data(islands))]);
}

/** One record with the whole map, and the file's name in another, so that old readers see that something is odd. */
function paxSparse01(name: string, size: number, islands: readonly Island[]): Buffer {
  const records = [
    paxRecord('GNU.sparse.size', String(size)),
    paxRecord('GNU.sparse.numblocks', String(islands.length)),
    paxRecord('GNU.sparse.map', islands.map(([offset, text]) => `${offset},${text.length}`).join(',')),
    paxRecord('GNU.sparse.name', name),
  ];
  return Buffer.concat([
    paxBytes(Buffer.concat(records)),
    member({ name: 'GNUSparseFile.1/x' }, data(islands)),
  ]);
}

/** The map before the data, in blocks of its own. */
export function paxSparse10(name: string, size: number, islands: readonly Island[]): Buffer {
  const records = [
    paxRecord('GNU.sparse.major', '1'),
    paxRecord('GNU.sparse.minor', '0'),
    paxRecord('GNU.sparse.name', name),
    paxRecord('GNU.sparse.realsize', String(size)),
  ];
  const numbers = islands.map(([offset, text]) => `${offset}\n${text.length}\n`).join('');
  const map = padded(Buffer.from(`${islands.length}\n${numbers}`));
  const body = Buffer.concat([map, data(islands)]);
  return Buffer.concat([paxBytes(Buffer.concat(records)), member({ name: 'GNUSparseFile.1/x' }, body)]);
}

/** What the file holds, holes spelled as NULs. */
export function sparseContent(size: number, islands: readonly Island[]): string {
  const bytes = Buffer.alloc(size);
  for (const [offset, text] of islands) bytes.write(text, offset, 'latin1');
  return bytes.toString('latin1');
}

function data(islands: readonly Island[]): Buffer {
  return Buffer.from(islands.map(([, text]) => text).join(''), 'latin1');
}

function putRanges(block: Buffer, start: number, islands: readonly Island[]): void {
  for (const [index, [offset, text]] of islands.entries()) {
    putNumber(block, start + index * 24, offset);
    putNumber(block, start + index * 24 + 12, text.length);
  }
}

function putNumber(block: Buffer, at: number, value: number): void {
  block.write(`${value.toString(8).padStart(11, '0')}\0`, at, 'latin1');
}
