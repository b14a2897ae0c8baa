import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, fstatSync, openSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { crc32, gzipSync } from 'node:zlib';
import { afterAll, describe, expect, test as plain } from 'vitest';
import { OverlayerError } from '../../src/base/errors.js';
import { FACT, FACTS, FileFactsLog } from '../../src/layer/manifest/file-facts.js';
import { FileQueue, SLOTS } from '../../src/layer/worker/file-queue.js';
import { PendingFiles } from '../../src/layer/worker/pending-files.js';
import { createPipelineMemory, Pipeline } from '../../src/layer/worker/pipeline.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import type { System } from '../../src/system/system.js';
import { type Fault, FaultySystem } from '../helpers/faulty-system.js';
import { test } from '../helpers/sandbox.js';
import { file, tar } from '../helpers/tar-builder.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

const work = makeWorkDirectory();
afterAll(() => execFileSync('rm', ['-rf', work]));

const real = openLinuxSystem();
const TIMES = { mtimeSec: 1000, mtimeNsec: 5, atimeSec: 2000, atimeNsec: 0 };
const MTIME_MS = 1_000_000;
const CONTENT = 'content of a file';
let count = 0;

/** Both ends of a queue, the content of a file at the beginning of its ring. */
class Ends {
  readonly pending: PendingFiles;
  readonly helper: FileQueue;
  readonly facts = new FileFactsLog();

  constructor(options: { readonly apply?: System; readonly helper?: System } = {}) {
    const pipeline = new Pipeline(createPipelineMemory());
    const { output, gate, files } = pipeline;
    output.bytes.write(CONTENT);
    const queue = new FileQueue(files, options.apply ?? real, output.bytes);
    this.pending = new PendingFiles(queue, output, gate, { facts: this.facts, maxOpen: 128 });
    this.helper = new FileQueue(files, options.helper ?? real, output.bytes);
    this.pending.expect(0, 4096);
  }

  /** Creates a file and hands it over. */
  add({ isPlain = true } = {}): { readonly path: string; readonly descriptor: number } {
    const path = join(work, `file-${count++}`);
    const descriptor = openSync(path, 'wx');
    this.pending.keep(0);
    const tail = { descriptor, start: 0, length: CONTENT.length, times: TIMES, checksum: 0, isPlain };
    this.pending.take({ ...tail, uid: 12, gid: 34, mode: 0o4755 }, { path: 'the/entry', offset: 512 });
    return { path, descriptor };
  }
}

function expectFinished(path: string): void {
  const { uid, gid, mode, mtimeMs } = statSync(path);
  expect({ uid, gid, mode: mode & 0o7777, mtimeMs: Math.floor(mtimeMs) }).toEqual({
    uid: 12,
    gid: 34,
    mode: 0o4755,
    mtimeMs: MTIME_MS,
  });
  expect(readFileSync(path, 'utf8')).toBe(CONTENT);
}

function isOpen(descriptor: number, path: string): boolean {
  try {
    return fstatSync(descriptor).ino === statSync(path).ino;
  } catch {
    return false;
  }
}

function refusing(method: Fault['method'], errno: string): System {
  return new FaultySystem(real, { method, call: 1, errno }).system;
}

function failure(work: () => unknown): OverlayerError {
  try {
    work();
  } catch (error) {
    if (OverlayerError.is(error)) return error;
    throw error;
  }
  throw new Error('it went well');
}

describe('files that wait to be finished', () => {
  plain('the helper finishes them', () => {
    const ends = new Ends();
    const { path, descriptor } = ends.add();
    expect(ends.helper.work()).toBe(true);
    expect(ends.helper.work()).toBe(false);
    expectFinished(path);
    expect(isOpen(descriptor, path)).toBe(false);
  });

  plain('the ring keeps their bytes until then, and no longer', () => {
    const ends = new Ends();
    ends.add();
    expect(ends.pending.neededFrom(4096)).toBe(0);
    ends.helper.work();
    expect(ends.pending.neededFrom(4096)).toBe(4096);
  });

  plain('an empty file does not release the bytes of later files', () => {
    const ends = new Ends();
    const empty = openSync(join(work, 'empty'), 'wx');
    const none = { start: 0, length: 0, uid: -1, gid: -1, mode: -1, checksum: -1, isPlain: true };
    ends.pending.take({ descriptor: empty, times: TIMES, ...none }, { path: 'empty', offset: 0 });
    ends.add();
    expect(ends.pending.neededFrom(4096)).toBe(0);
  });

  plain('files beyond the number of slots are finished by the apply thread', () => {
    const ends = new Ends();
    const added = Array.from({ length: SLOTS + 1 }, () => ends.add());
    expect(added.filter(({ descriptor, path }) => !isOpen(descriptor, path))).toEqual([added[0]]);
    expectFinished(added[0]!.path);
    ends.pending.finish();
    expect(added.filter(({ descriptor, path }) => isOpen(descriptor, path))).toEqual([]);
    expect(ends.pending.neededFrom(4096)).toBe(4096);
  });

  plain('a file that gets no slot, since another one failed, is closed', () => {
    const ends = new Ends({ helper: refusing('pwrite', 'ENOSPC'), apply: refusing('pwrite', 'ENOSPC') });
    const added = Array.from({ length: SLOTS }, () => ends.add());
    ends.helper.work();
    const open = readdirSync('/proc/self/fd').length;
    expect(failure(() => ends.add())).toMatchObject({ code: 'ResourceExhausted' });
    expect(readdirSync('/proc/self/fd').length).toBe(open);
    ends.pending.abandon();
    expect(added.filter(({ descriptor, path }) => isOpen(descriptor, path))).toEqual([]);
  });

  plain('facts are in the order of the files, whichever thread finished them', () => {
    const ends = new Ends({ helper: refusing('setTimes', 'EINTR') });
    const added = Array.from({ length: SLOTS + 20 }, (_, index) => {
      if (index % 3 === 0) ends.helper.work();
      return ends.add();
    });
    ends.pending.finish();
    const { rows } = ends.facts.all();
    const known = added.map((_, index) => [...rows.subarray(index * FACTS, (index + 1) * FACTS)]);
    expect(known).toEqual(
      added.map(({ path }) => {
        const { uid, gid, mode, mtimeMs, size, blocks, ino } = statSync(path);
        const { mtimeSec, mtimeNsec } = TIMES;
        expect(Math.floor(mtimeMs / 1000)).toBe(mtimeSec);
        return [uid, gid, mode, mtimeSec, mtimeNsec, size, blocks, crc32(CONTENT), ino];
      }),
    );
  });

  plain('files that may have attributes have to be looked at', () => {
    const ends = new Ends();
    ends.add({ isPlain: false });
    ends.pending.finish();
    const { rows } = ends.facts.all();
    expect([rows[FACT.mode], rows[FACT.checksum]]).toEqual([-1, crc32(CONTENT)]);
  });

  for (const method of ['pwrite', 'chown', 'chmod', 'setTimes', 'stat'] as const) {
    plain(`a failure of the helper (${method}) is tried again`, () => {
      const ends = new Ends({ helper: refusing(method, 'EINTR') });
      const { path, descriptor } = ends.add();
      ends.helper.work();
      ends.pending.finish();
      expectFinished(path);
      expect(isOpen(descriptor, path)).toBe(false);
    });

    plain(`a failure of both threads (${method}) is an error that names the entry`, () => {
      const ends = new Ends({ helper: refusing(method, 'ENOSPC'), apply: refusing(method, 'ENOSPC') });
      const { path, descriptor } = ends.add();
      ends.helper.work();
      const error = failure(() => ends.pending.finish());
      expect(error).toMatchObject({ code: 'ResourceExhausted', entry: 'the/entry', offset: 512 });
      ends.pending.abandon();
      expect(isOpen(descriptor, path)).toBe(false);
    });
  }

  plain('a failure of the close is an error that names the entry', () => {
    const ends = new Ends({ helper: refusing('close', 'EIO') });
    ends.add();
    ends.helper.work();
    const error = failure(() => ends.pending.finish());
    expect(error).toMatchObject({ code: 'DataLoss', errno: 'EIO', entry: 'the/entry' });
  });

  plain('files are closed after a failure', () => {
    const ends = new Ends();
    const added = Array.from({ length: 5 }, () => ends.add());
    ends.helper.work();
    ends.pending.abandon();
    expect(added.filter(({ path, descriptor }) => isOpen(descriptor, path))).toEqual([]);
    expect(ends.helper.work()).toBe(false);
  });
});

describe('files of every size near the limits', () => {
  const KIB = 1024;
  const sizes = Array.from({ length: 1200 }, (_, index) =>
    index % 3 === 0 ? 0 : index % 50 === 1 ? 127 * KIB + (index % 5) * 512 : (index * 7919) % (40 * KIB),
  );
  const contents = sizes.map((size, index) => Buffer.alloc(size, `${index} `));
  const archive = tar(...contents.map((content, index) => file(`f${index}`, content, { uid: index })));
  const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');

  for (const [name, layer] of [
    ['plain', archive],
    ['gzip', gzipSync(archive, { level: 1 })],
  ] as const)
    test(`${name}: each has its own bytes`, async ({ box }) => {
      const path = join(work, `layer-${name}`);
      execFileSync('tee', [path], { input: layer, stdio: ['pipe', 'ignore', 'inherit'] });
      await box.unpack(path);
      const wrong = contents.filter((content, index) => {
        const at = join(box.dest, `f${index}`);
        return !existsSync(at) || sha256(readFileSync(at)) !== sha256(content) || statSync(at).uid !== index;
      });
      expect(wrong.length).toBe(0);
    });
});
