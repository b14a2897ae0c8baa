import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { RegistryProxy } from '../helpers/registry-proxy.js';
import { useSampleRegistry } from '../image/registry/sample-registry.js';
import { overlayer, temporaryDirectory } from './helpers.js';

const sample = useSampleRegistry(12 << 20);

const rangesOf = ({ requests }: RegistryProxy) =>
  requests.flatMap(({ headers: { range } }) => (range === undefined ? [] : [range]));

test('unpack --connections 4 fetches ranges of a layer', async () => {
  const { proxy } = await sample.through('', () => false);
  const rootfs = join(temporaryDirectory(), 'rootfs');
  const image = `docker://${proxy.host}/some/image:1`;
  expect(await overlayer(['unpack', '--connections', '4', image, rootfs])).toMatchObject({ code: 0 });
  expect(readFileSync(join(rootfs, 'contents'))).toHaveLength(12 << 20);
  expect(rangesOf(proxy).length).toBeGreaterThan(2);
});

test('pull --connections 4 fetches ranges of a layer, and --connections 1 none', async () => {
  for (const [connections, least, most] of [
    ['4', 3, 12],
    ['1', 0, 0],
  ] as const) {
    const { proxy } = await sample.through('', () => false);
    const root = join(temporaryDirectory(), 'store');
    const image = `${proxy.host}/some/image:1`;
    const pull = ['pull', '--connections', connections, '--backend', 'erofs', '--root', root, image];
    expect(await overlayer(pull)).toMatchObject({ code: 0 });
    expect(rangesOf(proxy).length).toBeGreaterThanOrEqual(least);
    expect(rangesOf(proxy).length).toBeLessThanOrEqual(most);
  }
});

test('more connections than 64 are refused', async () => {
  const rootfs = join(temporaryDirectory(), 'rootfs');
  const result = await overlayer([
    'unpack',
    '--connections',
    '65',
    'docker://127.0.0.1:1/some/image:1',
    rootfs,
  ]);
  expect(result.code).not.toBe(0);
  expect(result.stderr).toContain('Option connections is not a whole number from 1 to 64: 65');
});
