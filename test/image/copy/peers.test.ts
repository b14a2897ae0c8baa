import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { copyImage, createImageArchive, createImageLayout, openImageLayout } from '../../../src/index.js';
import { LAYERS, layoutFiles, writeFiles } from '../../helpers/hand-made-image.js';
import { makeWorkDirectory } from '../../helpers/work-directory.js';

// Other tools read what was written.

let directory: string;
const at = (name: string) => join(directory, name);

beforeAll(async () => {
  directory = makeWorkDirectory('disk');
  writeFiles(
    at('in'),
    layoutFiles(
      {},
      LAYERS.map((layer) => gzipSync(layer)),
    ),
  );
  for (const compression of ['gzip', 'zstd'] as const) {
    await using source = await openImageLayout(at('in'));
    await using layout = await createImageLayout(at(`layout-${compression}`));
    await copyImage(source, layout, { name: 'sample', compression });
    await using archive = await createImageArchive(at(`oci-${compression}.tar`));
    await copyImage(source, archive, { name: 'sample', compression });
  }
  await using source = await openImageLayout(at('in'));
  await using docker = await createImageArchive(at('docker.tar'), { format: 'docker-archive' });
  await copyImage(source, docker, { name: 'docker.io/library/sample:1' });
});
afterAll(() => rmSync(directory, { recursive: true }));

const run = (command: string, ...args: readonly string[]) =>
  execFileSync(command, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: directory });

test('umoci unpacks a layout', () => {
  run('umoci', 'raw', 'unpack', '--rootless', '--image', `${at('layout-gzip')}:sample`, at('umoci'));
  expect(readdirSync(at('umoci')).sort()).toEqual(expect.arrayContaining(['one', 'two']));
});

describe.each(['podman', 'buildah'])('%s reads', (tool) => {
  const storage = () => [
    '--root',
    at(`${tool}-root`),
    '--runroot',
    at(`${tool}-run`),
    '--storage-driver',
    'vfs',
  ];

  test.each([
    'oci:layout-gzip:sample',
    'oci:layout-zstd:sample',
    'oci-archive:oci-gzip.tar:sample',
    'oci-archive:oci-zstd.tar:sample',
    'docker-archive:docker.tar',
  ])('%s', (location) => {
    const id = run(tool, ...storage(), 'pull', '--quiet', location).trim();
    expect(id).toMatch(/^[0-9a-f]{64}$/);
  });
});
