import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OverlayerError } from '../../src/index.js';
import { DestinationFile } from '../../src/rootfs/destination-file.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import type { System } from '../../src/system/system.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { inWorkDirectory } from '../helpers/work-directory.js';

const HEAD = Buffer.from('head');

function write(system: System, path: string): void {
  const destination = DestinationFile.open(system, path);
  destination.commit(HEAD, true);
}

test('the head is written when all other bytes are on the disk, and the name is given last', () =>
  inWorkDirectory(async (at) => {
    const calls: string[] = [];
    const real = openLinuxSystem();
    const system = new Proxy(real, {
      get: (target, name: keyof System) => {
        if (['syncFile', 'pwrite', 'link', 'syncDirectory'].includes(name)) calls.push(name);
        return target[name];
      },
    });
    write(system, at('file'));
    expect(calls).toEqual(['syncFile', 'pwrite', 'syncFile', 'link', 'syncDirectory']);
  }));

test('a failure of any call leaves nothing, or the whole file', () =>
  inWorkDirectory(async (at) => {
    const counted = new FaultySystem(openLinuxSystem());
    write(counted.system, at('whole'));
    const faults = [...counted.calls].flatMap(([method, count]) =>
      Array.from({ length: count }, (_, call) => ({ method, call: call + 1, errno: 'EIO' })),
    );
    for (const fault of faults) {
      const { system } = new FaultySystem(openLinuxSystem(), fault);
      try {
        write(system, at('file'));
        expect(readFileSync(at('file'))).toEqual(HEAD);
        openLinuxSystem().unlink(-100, at('file'));
      } catch (error) {
        if (!OverlayerError.is(error)) throw error;
      }
      expect(readdirSync(at('.')), JSON.stringify(fault)).toEqual(['whole']);
    }
    expect(faults.length).toBeGreaterThan(8);
  }));
