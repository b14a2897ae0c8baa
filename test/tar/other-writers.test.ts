import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { readTar, type TarEntryReader } from '../../src/tar/index.js';

const FOLDER = new URL('../../fixtures/tars/', import.meta.url);
const archives = readdirSync(FOLDER).filter((name) => name.endsWith('.tar'));

/** As `fixtures/expect.py` writes it: what Python's tarfile found. */
type Expectation = Readonly<Record<string, unknown>>;

async function* pieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function describeEntry({ entry, body }: TarEntryReader): Promise<Expectation> {
  const hash = createHash('sha256');
  for await (const chunk of body()) hash.update(chunk);
  const { atimeSec, atimeNsec, offset, ...rest } = entry;
  const xattrs = [...(entry.xattrs ?? [])].map(([name, value]) => [name, Buffer.from(value).toString('hex')]);
  return {
    ...rest,
    path: entry.path.replace(/\/$/, ''),
    xattrs: Object.fromEntries(xattrs),
    sha256: hash.digest('hex'),
  };
}

async function read(bytes: Uint8Array, pieceSize: number): Promise<Expectation[]> {
  const entries: Expectation[] = [];
  for await (const reader of readTar(pieces(bytes, pieceSize))) entries.push(await describeEntry(reader));
  return entries;
}

describe.each(archives)('%s', (name) => {
  const bytes = readFileSync(new URL(name, FOLDER));
  const expected: Expectation[] = JSON.parse(
    readFileSync(new URL(name.replace(/tar$/, 'json'), FOLDER), 'utf8'),
  );

  test.each([bytes.length, 700, 1])('is read as Python reads it, in pieces of %i bytes', async (size) => {
    expect(await read(bytes, size)).toEqual(expected);
  });
});
