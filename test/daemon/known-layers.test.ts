import { mkdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chainIDs } from '../../src/oci/chain-ids.js';
import type { DiffID } from '../../src/oci/digest.js';
import { DockerRegistry, push } from '../helpers/docker-registry.js';
import { layoutFiles, writeFiles } from '../helpers/hand-made-image.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { sha256 } from '../helpers/tree.js';
import type { Version } from './containerd-process.js';
import { CriClient } from './cri-client.js';
import { useContainerd } from './use-containerd.js';

// Layers that another image has are neither unpacked nor downloaded again. The images have them as different blobs.

const [A, B, C, D] = ['a', 'b', 'c', 'd'].map((name) => tar(dir('./'), file(name, ''))) as Buffer[];

type Snapshots = (...args: readonly string[]) => Promise<string>;

/** containerd deletes a view that no lease holds, if it collects garbage in between. @returns the command that mounts it */
async function viewed(snapshots: Snapshots, name: string, mount: string): Promise<string> {
  for (let attempt = 0; ; attempt++) {
    const key = `view-${attempt}`;
    await snapshots('view', key, name);
    try {
      return (await snapshots('mounts', mount, key)).trim();
    } catch (error) {
      if (attempt === 5) throw error;
    }
  }
}

describe.each<Version>(['1.7', '2.1'])('images of Kubernetes, containerd %s', (version) => {
  const unused = { sandboxImage: 'none', network: tmpdir(), userRuntime: 'none' };
  const used = useContainerd({ version, backend: 'erofs', node: unused });
  let registry: DockerRegistry;
  let cri: CriClient;
  let images = 0;

  beforeAll(async () => {
    registry = await DockerRegistry.start(join(used.directory, 'registry'));
    cri = new CriClient(used.containerd.address);
  });
  afterAll(async () => {
    cri.close();
    await registry.kill();
  });

  const ctr = (...args: readonly string[]) => used.containerd.ctr('--namespace', 'k8s.io', ...args);
  const countBlobs = async () => (await ctr('content', 'ls', '--quiet')).split('\n').length;

  /** Pulls an image. @returns the number of layers that were unpacked, and downloaded; and the name of the image */
  async function pull(...layers: readonly (Uint8Array | undefined)[]) {
    const name = `${registry.host}/image-${images++}:1`;
    const layout = join(used.directory, `image-${images}`);
    mkdirSync(layout);
    const blobs = layers.map((layer) => gzipSync(layer!, { level: images }));
    writeFiles(layout, layoutFiles({}, blobs));
    await push({ location: `oci:${layout}:sample:1` }, name);
    const [logged, blobsBefore] = [used.daemon.log.length, await countBlobs()];
    await cri.image('PullImage', { image: { image: name } });
    const applied = used.daemon.log.slice(logged).filter(({ message }) => message === 'Diff.Apply');
    const downloaded = (await countBlobs()) - blobsBefore - 2; // manifest, config
    return { unpacked: applied.length, downloaded, name };
  }

  test('known layers below the first unknown one are not downloaded; all known layers are not unpacked', async () => {
    expect(await pull(A, B)).toMatchObject({ unpacked: 2, downloaded: 2 });
    expect(await pull(B, C)).toMatchObject({ unpacked: 1, downloaded: 1 });
    expect(await pull(D, A, B)).toMatchObject({ unpacked: 1, downloaded: 3 });
    expect(await pull(A, C, B)).toMatchObject({ unpacked: 0, downloaded: 0 });
  });

  test('the tree is that of all layers', async () => {
    const layers = [C, B, A, D];
    await pull(...layers);
    const name = chainIDs(layers.map((layer): DiffID => `sha256:${sha256(layer!)}`)).at(-1)!;
    const snapshots = (...args: readonly string[]) => ctr('snapshots', '--snapshotter', 'overlayer', ...args);
    const mount = join(used.directory, 'mount');
    const command = await viewed(snapshots, name, mount);
    expect(used.containerd.run(`mkdir ${mount}; ${command}; ls ${mount}`)).toBe('a\nb\nc\nd\n');
  });
});
