import { mkdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { openRegistryTarget } from '../../../../src/index.js';
import { UploadRegistry } from '../../../helpers/upload-registry.js';
import { inWorkDirectory } from '../../../helpers/work-directory.js';
import { newBlob } from './new-blob.js';

/** Pushes a blob to registry.example, and tells which of three servers have it. */
async function push(capabilities: (string | undefined)[]): Promise<readonly boolean[]> {
  await using first = await UploadRegistry.start();
  await using second = await UploadRegistry.start();
  await using server = await UploadRegistry.start();
  const servers = [first, second, server];
  const has: boolean[] = [];
  await inWorkDirectory(async (name) => {
    mkdirSync(name('registry.example'));
    const settings = (index: number) =>
      capabilities[index] === undefined ? '' : `capabilities = ${capabilities[index]}`;
    writeFileSync(
      name('registry.example/hosts.toml'),
      `server = "http://${server.host}"\n${settings(2)}\n` +
        [first, second].map(({ host }, index) => `[host."http://${host}"]\n${settings(index)}\n`).join(''),
    );
    await using target = await openRegistryTarget('registry.example/some/image:1', {
      ...{ hostsDirectories: [name('.')], retries: 0 },
    });
    const blob = newBlob(Buffer.from('layer'));
    await target.writeBlob(blob);
    for (const { blobs } of servers) has.push(blobs.has(blob.digest));
  });
  return has;
}

test('mirrors are not pushed to unless they say so', async () => {
  expect(await push([undefined, '["pull", "resolve"]', undefined])).toEqual([false, false, true]);
});

test('the first server with the capability is pushed to', async () => {
  expect(await push(['["pull"]', '["pull", "push"]', undefined])).toEqual([false, true, false]);
});

test('no server with the capability: FailedPrecondition', async () => {
  await expect(push([undefined, undefined, '["pull", "resolve"]'])).rejects.toMatchObject({
    code: 'FailedPrecondition',
    hint: expect.stringContaining('hosts.toml'),
  });
});
