import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArchiveTarget } from '../../src/image/target/archive-target.js';
import { Destination } from '../../src/rootfs/destination.js';
import { DestinationFile } from '../../src/rootfs/destination-file.js';
import { replaceFile } from '../../src/rootfs/replace-file.js';
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
  'a new directory': {
    program: `const { Destination } = await import(${dist('rootfs/destination.js')});
      const { openLinuxSystem } = await import(${dist('system/linux.js')});
      Destination.open(openLinuxSystem(), process.argv[1], 'refuse');
      const { mkdirSync, readdirSync, writeFileSync } = await import('node:fs');
      const { dirname, join } = await import('node:path');
      const [name] = readdirSync(dirname(process.argv[1]));
      const inside = join(dirname(process.argv[1]), name, 'a/b');
      mkdirSync(inside, { recursive: true, mode: 0o500 });`,
    write: async (path: string) => void Destination.open(openLinuxSystem(), path, 'refuse').discard(),
  },
  'a replaced file': {
    program: `const { replaceFile } = await import(${dist('rootfs/replace-file.js')});
      await new Promise((open) => {
        async function* bytes() {
          yield Buffer.alloc(70_000);
          open();
          await new Promise(() => {});
        }
        replaceFile(process.argv[1], bytes());
      });`,
    write: async (path: string) => {
      await replaceFile(path, Buffer.from('x'));
      rmSync(path);
    },
  },
} as const;

test.each(Object.entries(WRITERS))(
  'the next writer of %s removes the file of a killed one, and not that of a living one',
  async (_, { program, write }) => {
    const directory = temporaryDirectory();
    const path = join(directory, 'output');
    const code = `${program}
      process.send('open'); setInterval(() => {}, 1000);`;
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

test('only files and directories with the name of a staged output are removed', async () => {
  const directory = temporaryDirectory();
  const path = join(directory, 'output');
  const kept = [
    '.output.overlayer-',
    '.output.overlayer-12345678-unlocked',
    '.output.overlayer-a',
    '.output.overlayer-UPPER',
    '.outputs.overlayer-12345678',
  ];
  mkdirSync(join(directory, 'other'));
  symlinkSync('other', join(directory, '.output.overlayer-a'));
  for (const name of kept.filter((each) => !each.endsWith('-a'))) writeFileSync(join(directory, name), '');
  writeFileSync(join(directory, '.output.overlayer-12345678'), '');
  mkdirSync(join(directory, '.output.overlayer-abc/d'), { recursive: true });
  await replaceFile(path, Buffer.from('x'));
  expect(readdirSync(directory).sort()).toEqual([...kept, 'other', 'output'].sort());
});
