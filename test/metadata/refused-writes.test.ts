import { cpSync, existsSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openLmdbStore } from '../../src/metadata/lmdb-store.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { buildProgram } from '../helpers/build-program.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { Interrupter } from '../helpers/interrupt-calls.js';
import { makeWorkDirectory } from '../helpers/work-directory.js';

// The disk refuses one call of LMDB.

const directory = makeWorkDirectory();
const at = (name: string) => join(directory, name);
let interrupter: Interrupter;
let program: string;
beforeAll(async () => {
  interrupter = new Interrupter(directory);
  program = await buildProgram(new URL('programs/write-on.ts', import.meta.url), directory);
  const store = openLmdbStore(at('new'));
  await store.write((transaction) => transaction.put(['before'], 'x'));
  await store.close();
});
afterAll(() => rmSync(directory, { recursive: true }));

describe.each([
  ['EIO', 'DataLoss'],
  ['ENOSPC', 'ResourceExhausted'],
] as const)('%s', (errno, code) => {
  test('at any call of a store: typed errors, the process ends, and what was acknowledged is there', async () => {
    const run = async (call: number) => {
      const path = at('metadata');
      cpSync(at('new'), path);
      const ran = await interrupter.run(program, path, { call, action: constants.errno[errno], except: '' });
      const store = openLmdbStore(path);
      const there = ['before', 'first', 'beside', 'second'].filter((key) =>
        store.read((transaction) => transaction.get([key])),
      );
      await store.close();
      return { ...ran, there };
    };
    const { calls } = await run(0);
    expect(calls).toBeGreaterThan(4);
    let refused = 0;
    for (let call = 1; call <= calls; call++) {
      const { end, there } = await run(call);
      const outcomes = JSON.parse(end) as readonly string[];
      const wrong = outcomes.filter((outcome) => !/: (done|\w+ (EIO|ENOSPC))$/.test(outcome));
      expect(wrong, `call ${call}`).toEqual([]);
      const done = outcomes.flatMap((outcome) => /^(first|beside|second): done$/.exec(outcome)?.[1] ?? []);
      expect(there, `call ${call}`).toEqual(expect.arrayContaining(['before', ...done]));
      if (outcomes.includes(`read: ${code} ${errno}`)) refused++;
    }
    expect(refused, 'refused for good').toBeGreaterThan(0);
  });
});

test('a new store on a full disk is refused, and leaves no file', () => {
  const path = at('full');
  const { system } = new FaultySystem(openLinuxSystem(), { method: 'allocate', call: 2, errno: 'ENOSPC' });
  expect(() => openLmdbStore(path, system)).toThrow(expect.objectContaining({ code: 'ResourceExhausted' }));
  expect(existsSync(path)).toBe(false);
});
