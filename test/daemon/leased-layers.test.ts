import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ServiceName } from '../../src/daemon/grpc/load-services.js';
import type { DiffRequest, DiffResponse } from '../../src/daemon/layers/diff-messages.js';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import type { ContainerdOptions } from './containerd-process.js';
import { connect } from './grpc-client.js';
import { useContainerd } from './use-containerd.js';

const UNCOMPRESSED = 'containerd.io/uncompressed';

describe.each<ContainerdOptions>([
  { version: '1.7' },
  { version: '2.1' },
  { version: '2.1', content: 'overlayer' },
])('a layer that is made for containerd $version, content $content', (options) => {
  const used = useContainerd(options);
  const ctr = (...args: readonly string[]) => used.containerd.ctr(...args);
  /** Returns when it is done. */
  const collectGarbage = () => ctr('content', 'prune', 'references');
  const client = (service: ServiceName) => {
    const made = connect(service, used.containerd.address);
    onTestFinished(() => made.close());
    return made;
  };
  let count = 0;
  const makeSnapshot = async (contents: string): Promise<DiffRequest['right']> => {
    const request = {
      snapshotter: 'overlayer',
      key: `layered ${count++}`,
      labels: { 'containerd.io/gc.root': 'now' },
    };
    const { mounts } = await client('snapshots').ask<MountsResponse>('prepare', request);
    writeFileSync(join(mounts[0]!.source, 'file'), contents);
    return mounts;
  };
  const makeLayer = async (request: Partial<DiffRequest>): Promise<string> =>
    (await client('diff').ask<DiffResponse>('diff', request)).diff.digest;
  const digests = async () => (await ctr('content', 'ls', '--quiet')).split('\n');

  test('is there until the caller can refer to it, and goes when nobody does', async () => {
    const layers = [];
    for (const contents of ['one', 'two', 'three']) {
      layers.push(await makeLayer({ right: await makeSnapshot(contents) }));
      await collectGarbage();
    }
    expect(await digests()).toEqual(expect.arrayContaining(layers));
    const [, lease] = /^(overlayer-diff-\d+)\s.*containerd\.io\/gc\.expire=/m.exec(
      await ctr('leases', 'ls'),
    )!;
    await ctr('leases', 'rm', '--sync', lease!);
    expect(await digests()).not.toEqual(expect.arrayContaining([expect.stringMatching(layers.join('|'))]));
  });

  test('and that is there already, unheld, is held, and labelled', async () => {
    const right = await makeSnapshot('the same');
    const layer = await makeLayer({ right });
    await ctr('content', 'label', layer, `${UNCOMPRESSED}=`);
    const [lease] = /^overlayer-diff-\d+/m.exec(await ctr('leases', 'ls'))!;
    await ctr('leases', 'rm', lease);
    expect(await makeLayer({ right, labels: { mine: 'yes' } })).toBe(layer);
    await collectGarbage();
    const listed = await ctr('content', 'ls');
    expect(listed).toMatch(new RegExp(`${layer}.*${UNCOMPRESSED}=sha256:.*mine=yes`));
  });
});
