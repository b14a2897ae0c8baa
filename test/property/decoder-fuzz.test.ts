import fc from 'fast-check';
import { extract } from 'tar-stream';
import { expect, test } from 'vitest';
import { encodePath } from '../../src/base/path-bytes.js';
import { OverlayerError } from '../../src/index.js';
import { type DecodedEntry, decode } from '../helpers/decode.js';
import { mutate, mutations } from '../helpers/mutations.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';

// The decoder against another one, tar-stream, on archives with mutations. Ours is the stricter: much that
// tar-stream reads is refused. What both read must be the same.

const TIMES = Number(process.env['OVERLAYER_FUZZ_RUNS'] ?? 1);
const SEED = process.env['OVERLAYER_FUZZ_SEED'];
const runs = (count: number) => ({
  numRuns: count * TIMES,
  ...(SEED === undefined ? {} : { seed: Number(SEED) }),
});
const limits = { timeout: 60_000 * TIMES };

const CODES = ['InvalidArgument', 'Unimplemented', 'DataLoss', 'ResourceExhausted'];
const layers = fc.constantFrom(...REAL_LAYERS.map(([name]) => name));
const archives = new Map(REAL_LAYERS);

interface Seen {
  readonly name: string;
  readonly type: string;
  readonly content: string;
}

/** The entries, or the typed error that the archive is refused with. */
function ours(archive: Buffer): readonly DecodedEntry[] | undefined {
  try {
    return decode(archive, archive.length, { maxBytes: 64 << 20 });
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    expect(CODES).toContain(error.code);
    expect(error.offset, error.message).toBeTypeOf('number');
    return undefined;
  }
}

/** An option that its types do not have. */
const V7_TOO = { allowUnknownFormat: true } as Parameters<typeof extract>[0];

async function theirs(archive: Buffer): Promise<readonly Seen[] | undefined> {
  const entries: Seen[] = [];
  const reader = extract(V7_TOO);
  return await new Promise((resolve) => {
    reader.on('entry', ({ name, type }, stream, next) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk) => void chunks.push(chunk as Buffer));
      stream.on('error', () => resolve(undefined));
      stream.on('end', () => {
        entries.push({
          name,
          type: typeOf(name, String(type)),
          content: Buffer.concat(chunks).toString('latin1'),
        });
        next();
      });
    });
    // It reads on after the end of the archive, and now and then waits for ever where a body is cut off there.
    const timer = setTimeout(() => resolve(undefined), 1000);
    reader.on('finish', () => resolve(entries));
    reader.on('error', () => resolve(undefined));
    reader.on('close', () => clearTimeout(timer));
    reader.end(archive);
  });
}

/** Where tar-stream is known to read otherwise than the formats say; `undefined` where it does not. */
function knownDifference(archive: Buffer, entries: readonly DecodedEntry[]): string | undefined {
  if (entries.some(({ sparse }) => sparse)) return 'it does not know sparse files';
  const headers = Array.from({ length: archive.length / 512 }, (_, index) =>
    archive.subarray(index * 512, index * 512 + 512),
  );
  if (headers.some((block) => block.toString('latin1', 508) === 'tar\0'))
    return "it does not know star's prefix";
  if (headers.some((block) => 'xgXLK'.includes(block.toString('latin1', 156, 157)) && size(block) === 0))
    return 'after an empty extended header it takes the next body for that one';
  if (headers.some((block) => '12346'.includes(block.toString('latin1', 156, 157)) && size(block) > 0))
    return 'it takes what follows a link with a size for its body';
  // A name that ends in a slash is a directory there.
  if (headers.some((block) => [0, 0x30].includes(block[156]!) && isNamedAsDirectory(block)))
    return 'it takes what follows a directory of v7 with a size for its body';
  if (headers.some((block) => block[156] === 0x58)) return "it does not know Sun's extended header";
  return undefined;
}

function isNamedAsDirectory(header: Buffer): boolean {
  return size(header) > 0 && header.toString('latin1', 0, 100).split('\0')[0]!.endsWith('/');
}

/** In octal, or in base 256, of which the mutations have small numbers. */
function size(header: Buffer): number {
  if (header[124]! & 0x80) return header.readUIntBE(130, 6);
  return Number.parseInt(header.toString('latin1', 124, 136), 8) || 0;
}

/** tar-stream's word for it in ours. v7 had no type for directories: tar-stream sees the slash, but says `file`. */
function typeOf(name: string, type: string): string {
  if (type === 'link') return 'hardlink';
  if (type === 'contiguous-file') return 'file';
  return type === 'file' && name.endsWith('/') ? 'directory' : type;
}

test('what both read is the same', limits, async () => {
  let compared = 0;
  await fc.assert(
    fc.asyncProperty(layers, mutations, async (name, changes) => {
      const archive = mutate(archives.get(name)!, changes);
      const entries = ours(archive);
      if (entries === undefined || knownDifference(archive, entries) !== undefined) return;
      const other = await theirs(archive);
      if (other === undefined) return;
      compared += 1;
      const seen = entries.map(({ path, type, content }) => ({
        name: encodePath(path).toString('utf8'),
        type,
        content,
      }));
      expect(other.slice(0, seen.length)).toEqual(seen);
    }),
    runs(3000),
  );
  expect(compared).toBeGreaterThan(200 * TIMES);
});

test('random blocks are refused with a typed error, or read', limits, () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4096 }), (bytes) => {
      ours(Buffer.from(bytes));
    }),
    runs(3000),
  );
});
