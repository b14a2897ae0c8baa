import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { copyImage, createImageLayout, type ImageSource, openImageLayout } from '../../../src/index.js';
import { configOf, json, LAYERS, layoutFiles, writeFiles } from '../../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

let directory: string;
const at = (name: string) => join(directory, name);
beforeEach(() => {
  directory = makeWorkDirectory();
});
afterEach(() => rmSync(directory, { recursive: true }));

/** An image of its own, which shares its layers with the others. */
function sourceOf(name: string): Promise<ImageSource> {
  const config = json({ ...JSON.parse(configOf(LAYERS).toString()), author: name });
  return openImageLayout(writeFiles(at(`in-${name}`), layoutFiles({}, LAYERS, config)));
}

async function add(name: string): Promise<void> {
  await using source = await sourceOf(name);
  await using target = await createImageLayout(at('layout'));
  await copyImage(source, target, { name });
}

const names = async () => {
  await using source = await openImageLayout(at('layout'));
  return (await source.images()).map(({ name }) => name).sort();
};
const indexOf = () => JSON.parse(readFileSync(at('layout/index.json'), 'utf8'));

describe('a layout', () => {
  // Node's recursive mkdir never returns there.
  test('cannot be made in /proc', async () => {
    await expect(createImageLayout('/proc/none/layout')).rejects.toMatchObject({
      code: 'NotFound',
      errno: 'ENOENT',
    });
  });

  test('of concurrent writers has all their images', async () => {
    const all = ['a:1', 'b:1', 'c:1', 'd:1', 'e:1'];
    await Promise.all(all.map(add));
    expect(await names()).toEqual(all.map((name) => `docker.io/library/${name}`));
    expect(readdirSync(at('layout')).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
  });

  test('keeps other entries and unknown fields, and replaces an image of the same name', async () => {
    await add('a:1');
    const index = indexOf();
    const other = { ...index.manifests[0], annotations: { other: 'kept' }, unknown: { field: 1 } };
    writeFileSync(at('layout/index.json'), json({ ...index, manifests: [other], more: [1, null] }));
    await add('a:1');
    await add('a:1');
    expect(indexOf()).toMatchObject({ more: [1, null], manifests: [other, { annotations: {} }] });
    expect(indexOf().manifests).toHaveLength(2);
  });

  test('is refused where other files are', async () => {
    mkdirSync(at('layout'));
    writeFileSync(at('layout/mine'), 'mine');
    await expect(createImageLayout(at('layout'))).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(readdirSync(at('layout'))).toEqual(['mine']);
  });

  test('with a symlink in the place of its blobs is refused', async () => {
    await add('a:1');
    rmSync(at('layout/blobs'), { recursive: true });
    mkdirSync(at('outside/sha256'), { recursive: true });
    symlinkSync(at('outside'), at('layout/blobs'));
    await expect(add('b:1')).rejects.toMatchObject({ code: 'InvalidArgument' });
    expect(readdirSync(at('outside/sha256'))).toEqual([]);
  });

  test('of a writer that was killed in mid-write has nothing of it after the next one', async () => {
    await add('a:1');
    const child = startStuck();
    const [line] = await once(child.stdout!, 'data');
    expect(String(line)).toBe('written\n');
    expect(readdirSync(at('layout')).filter((name) => name.startsWith('.overlayer-'))).toHaveLength(1);
    expect(await names()).toEqual(['docker.io/library/a:1']);
    child.kill('SIGKILL');
    await once(child, 'close');
    await add('b:1');
    expect(readdirSync(at('layout')).sort()).toEqual(['blobs', 'index.json', 'oci-layout']);
    expect(await names()).toEqual(['docker.io/library/a:1', 'docker.io/library/b:1']);
  });
});

/** A process that has written a blob, and writes another one without end. */
function startStuck(): ChildProcess {
  const program = `
    const { createImageLayout } = require(${JSON.stringify(join(process.cwd(), 'dist/index.js'))});
    createImageLayout(${JSON.stringify(at('layout'))}).then(async (target) => {
      const blob = (bytes) => ({ mediaType: 'a/b', open: async () => ({ bytes, offset: 0 }) });
      await target.writeBlob(blob(Buffer.from('whole')));
      await target.writeBlob(blob((async function* () {
        yield Buffer.from('begun');
        console.log('written');
        await new Promise((resolve) => setInterval(resolve, 1 << 30).ref() && undefined);
      })()));
    });`;
  return spawn(process.execPath, ['--experimental-require-module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

test('a copy that has no name yet is not visible, and a new directory goes with it', async () => {
  await using target = await createImageLayout(at('deep/layout'));
  await target.writeBlob({ mediaType: 'a/b', open: async () => ({ bytes: LAYERS[0]!, offset: 0 }) });
  expect(readdirSync(at('deep/layout')).every((name) => name.startsWith('.overlayer-'))).toBe(true);
  await target.close();
  expect(existsSync(at('deep'))).toBe(false);
});
