import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { basename } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { SUPERBLOCK_OFFSET } from '../../../src/erofs/format.js';
import { DEFAULT_LIMITS, OverlayerError } from '../../../src/index.js';
import { unpackLayer, verifyErofsLayer } from '../../../src/layer/index.js';
import { LayerFileWriter } from '../../../src/layer/worker/layer-file-writer.js';
import { createPipelineMemory, INPUT_READERS, Pipeline } from '../../../src/layer/worker/pipeline.js';
import { openLinuxSystem } from '../../../src/system/linux.js';
import type { System } from '../../../src/system/system.js';
import { type Fault, FaultySystem } from '../../helpers/faulty-system.js';
import { SPARSE_FORMATS } from '../../helpers/sparse-members.js';
import { dir, file, hardlink, symlink, tar, whiteout } from '../../helpers/tar-builder.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// The apply thread's part, in this thread, with a system that fails.

const directory = makeWorkDirectory();
const lower = `${directory}/lower`;
const upper = `${directory}/upper`;
const place = `${directory}/place`;
const destination = `${place}/layer.erofs`;

/** It has everything that a layer file gets from elsewhere than the archive as it passes. */
const layer = tar(
  dir('etc'),
  file('etc/new', 'text'),
  symlink('etc/link', 'new'),
  hardlink('etc/again', 'etc/motd'),
  whiteout('gone'),
  ...[SPARSE_FORMATS['PAX 1.0']('sparse', 3_000_000, [[1_000_000, 'island']])],
);

beforeAll(async () => {
  await unpackLayer(tar(dir('etc'), file('etc/motd', 'hello')), lower, { target: 'overlay' });
  mkdirSync(`${upper}/etc`, { recursive: true });
  writeFileSync(`${upper}/etc/new`, 'text');
  truncateSync(`${upper}/etc/new`, 1_000_000);
});
afterEach(() => rmSync(place, { recursive: true, force: true }));
afterAll(() => rmSync(directory, { recursive: true }));

const FORMS = ['archive', 'upperdir'] as const;
type Form = (typeof FORMS)[number];

async function fillFrom(form: Form, writer: LayerFileWriter): Promise<void> {
  const limits = DEFAULT_LIMITS;
  if (form === 'upperdir') {
    writer.pack({ upper, layerFiles: [], limits }, () => {});
    return;
  }
  const pipeline = new Pipeline(createPipelineMemory());
  pipeline.reset();
  pipeline.decide(false);
  pipeline.input.leave(INPUT_READERS.decode);
  pipeline.input.bytes.set(layer);
  pipeline.input.publish(layer.length);
  pipeline.input.end();
  const settings = { lowersLater: undefined, owners: undefined, limits, flushSoon: true };
  await writer.fill(pipeline, { lowers: [lower], ...settings });
}

async function write(form: Form, system: System): Promise<void> {
  const writer = LayerFileWriter.open(system, destination);
  try {
    await fillFrom(form, writer);
  } catch (error) {
    writer.discard();
    throw error;
  }
  writer.commit(true);
}

/** Every call that the writing of a layer makes, refused once. */
async function allFaults(form: Form, errno: string): Promise<readonly Fault[]> {
  mkdirSync(place);
  const { system, calls } = new FaultySystem(openLinuxSystem());
  await write(form, system);
  rmSync(place, { recursive: true });
  return [...calls].flatMap(([method, count]) =>
    Array.from({ length: count }, (_, call) => ({ method, call: call + 1, errno })),
  );
}

test.each(FORMS.flatMap((form) => ['EIO', 'ENOSPC'].map((errno) => [form, errno] as const)))(
  '%s, %s of any call: nothing is left, or the whole file',
  async (form, errno) => {
    const faults = await allFaults(form, errno);
    const methods = new Set(faults.map(({ method }) => method));
    const read = form === 'archive' ? 'readAt' : 'read';
    for (const method of ['pwrite', read, 'truncate', 'syncFile', 'link', 'unlink', 'syncDirectory'])
      expect(methods).toContain(method);
    for (const fault of faults) {
      mkdirSync(place);
      const { system } = new FaultySystem(openLinuxSystem(), fault);
      const refused = await attempt(() => write(form, system));
      if (refused === undefined) await verifyErofsLayer(destination);
      else {
        expect(refused, JSON.stringify(fault)).toBeInstanceOf(OverlayerError);
        expect(readdirSync(place), JSON.stringify(fault)).toEqual([]);
      }
      rmSync(place, { recursive: true });
    }
  },
);

test.each(FORMS)(
  '%s: a process that dies before any call leaves no file that can be mounted, or the whole one',
  async (form) => {
    let whole = 0;
    const deaths = await allFaults(form, 'EIO');
    for (const { method, call } of deaths) {
      mkdirSync(place);
      await attempt(() => write(form, dyingSystem(method, call)));
      for (const name of readdirSync(place)) {
        const path = `${place}/${name}`;
        if (!hasSuperblock(path)) expect(name).not.toBe(basename(destination));
        else {
          await verifyErofsLayer(path);
          whole += 1;
        }
      }
      rmSync(place, { recursive: true });
    }
    expect(whole).toBeGreaterThan(0);
    expect(whole).toBeLessThan(deaths.length);
  },
);

/** From one call on, nothing reaches the kernel any more. */
function dyingSystem(method: keyof System, call: number): System {
  const real = openLinuxSystem();
  let isDead = false;
  let calls = 0;
  return new Proxy(real, {
    get: (target, name: keyof System) => {
      const run = target[name] as (...args: unknown[]) => unknown;
      return (...args: unknown[]) => {
        if (name === method && ++calls === call) isDead = true;
        if (isDead && name !== 'close') throw new Error('dead');
        return run(...args);
      };
    },
  });
}

function hasSuperblock(path: string): boolean {
  const magic = Buffer.alloc(4);
  const descriptor = openSync(path, 'r');
  readSync(descriptor, magic, 0, 4, SUPERBLOCK_OFFSET);
  closeSync(descriptor);
  return magic.readUInt32LE() !== 0;
}

async function attempt(work: () => Promise<void>): Promise<unknown> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return error;
  }
}
