import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArchiveTarget } from '../../src/image/target/archive-target.js';
import { DestinationFile } from '../../src/rootfs/destination-file.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { temporaryDirectory } from '../cli/helpers.js';

const dist = (path: string) => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);

const WRITERS = {
  'an image archive': {
    program: `const { ArchiveTarget } = await import(${dist('image/target/archive-target.js')});
      globalThis.kept = await ArchiveTarget.open(process.argv[1], 'oci-archive');`,
    write: async (path: string) => await (await ArchiveTarget.open(path, 'oci-archive')).close(),
  },
  'a layer file': {
    program: `const { DestinationFile } = await import(${dist('rootfs/destination-file.js')});
      const { openLinuxSystem } = await import(${dist('system/linux.js')});
      globalThis.kept = DestinationFile.open(openLinuxSystem(), process.argv[1]);`,
    write: async (path: string) => void DestinationFile.open(openLinuxSystem(), path).discard(),
  },
} as const;

test.each(Object.entries(WRITERS))(
  'the next writer of %s removes the file of a killed one, and not that of a living one',
  async (_, { program, write }) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'output');
    const code = `${program} process.send('open'); setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', code, path], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    await once(child, 'message');
    await write(path);
    expect(readdirSync(directory)).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await write(path);
    expect(readdirSync(directory)).toEqual([]);
  },
);
