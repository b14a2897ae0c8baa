import { openCrc32 } from '../../compression/crc32.js';
import { type Fingerprint, openFingerprint } from '../../system/fingerprint.js';
import type { Operation } from '../plan/operation.js';
import { SCANNED, SCANNED_NUMBERS, SCANNED_OPS, type ScannedEntries } from '../scanned-entries.js';
import type { ArchiveSummary, ScanInput } from './jobs.js';
import type { Pipeline } from './pipeline.js';
import { BATCH, consumePlan, waitTurn } from './plan-archive.js';

const OP_NUMBERS = Object.fromEntries(SCANNED_OPS.map((op, at) => [op, at])) as Record<
  Operation['op'],
  number
>;

/** Plans a layer, makes fingerprints of its files, and sends its operations as columns. */
export function scanArchive(
  pipeline: Pipeline,
  input: ScanInput,
  tell: (entries: ScannedEntries) => void,
): Promise<ArchiveSummary> {
  let batch = new Batch();
  const content = new ContentPrints(input.key);
  const flush = () => {
    waitTurn(pipeline);
    tell(batch.entries());
    batch = new Batch();
  };
  // The digest of the blob proves its bytes. Hashing the tar as well takes a fifth of the processor time.
  const hash = input.hash && !pipeline.waitCompressed();
  return consumePlan(pipeline, { ...input, hash }, () => ({
    operation(operation) {
      batch.add(operation);
    },
    data: (bytes, start, end, position) => content.add(bytes, start, end, position),
    end() {
      batch.setContent(content.end());
      if (batch.isFull) flush();
    },
    finish() {
      if (!batch.isEmpty) flush();
    },
  }));
}

class Batch {
  readonly #paths: string[] = [];
  readonly #links: string[] = [];
  readonly #numbers = new Float64Array(BATCH * SCANNED_NUMBERS);

  get isFull(): boolean {
    return this.#paths.length === BATCH;
  }

  get isEmpty(): boolean {
    return this.#paths.length === 0;
  }

  add(operation: Operation): void {
    const { op, path, entry } = operation;
    const numbers = this.#numbers;
    const row = this.#paths.length * SCANNED_NUMBERS;
    this.#paths.push(path);
    this.#links.push(op === 'hardlink' ? operation.linkPath : op === 'symlink' ? entry.linkPath : '');
    numbers[row + SCANNED.op] = OP_NUMBERS[op];
    numbers[row + SCANNED.mode] = entry.mode;
    numbers[row + SCANNED.uid] = entry.uid;
    numbers[row + SCANNED.gid] = entry.gid;
    numbers[row + SCANNED.size] = op === 'file' ? entry.size : 0;
    numbers[row + SCANNED.mtimeSec] = entry.mtimeSec;
    numbers[row + SCANNED.xattrs] = checksumOf(entry.xattrs);
    numbers[row + SCANNED.devMajor] = entry.devMajor;
    numbers[row + SCANNED.devMinor] = entry.devMinor;
    numbers[row + SCANNED.offset] = entry.offset;
  }

  setContent(content: number): void {
    this.#numbers[(this.#paths.length - 1) * SCANNED_NUMBERS + SCANNED.content] = content;
  }

  entries(): ScannedEntries {
    const numbers = this.#numbers.subarray(0, this.#paths.length * SCANNED_NUMBERS);
    return { paths: this.#paths, links: this.#links, numbers };
  }
}

function checksumOf(xattrs: ReadonlyMap<string, Uint8Array> | undefined): number {
  if (xattrs === undefined) return 0;
  const crc32 = openCrc32();
  let checksum = 0;
  for (const [name, value] of [...xattrs].sort(([one], [other]) => (one < other ? -1 : 1))) {
    const key = Buffer.from(`${name}\0${value.length}\0`);
    checksum = crc32(checksum, key, 0, key.length);
    checksum = crc32(checksum, value, 0, value.length);
  }
  return checksum;
}

/** Fingerprints of files. Those of one process are comparable. */
class ContentPrints {
  readonly #print: Fingerprint;
  #position = 0;
  #isEmpty = true;

  constructor(key: Uint8Array) {
    this.#print = openFingerprint(key);
  }

  add(bytes: Uint8Array, start: number, end: number, position: number): void {
    if (position !== this.#position) {
      // A hole: its length counts, and not its zeros, of which an archive may declare any number.
      const place = Buffer.alloc(8);
      place.writeDoubleLE(position);
      this.#print.update(place, 0, place.length);
    }
    this.#print.update(bytes, start, end);
    this.#position = position + (end - start);
    this.#isEmpty = false;
  }

  /** @returns 0 for a file without data */
  end(): number {
    if (this.#isEmpty) return 0;
    this.#isEmpty = true;
    this.#position = 0;
    return this.#print.end();
  }
}
