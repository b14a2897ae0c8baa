import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { RegistryProxy } from '../helpers/registry-proxy.js';
import { useSampleRegistry } from '../image/registry/sample-registry.js';
import { type Finished, overlayer, temporaryDirectory } from './helpers.js';
import { Terminal } from './tmux.js';

const sample = useSampleRegistry(1000);

async function unpack(reference: string, ...options: readonly string[]): Promise<Finished> {
  const rootfs = join(temporaryDirectory(), 'rootfs');
  return await overlayer(['unpack', ...options, `docker://${reference}`, rootfs]);
}

describe('a registry that asks to wait: that is said on standard error, whatever else is shown there', () => {
  test.each([
    ['none', /^overlayer: waiting 1\.0 s: .*status 429.*\n$/],
    ['json', /^{"type":"wait","delayMs":1000,"reason":".*status 429.*"}\n{"type":"plan"/],
  ])('--progress %s', async (progress, said) => {
    const { proxy } = await sample.through('manifests', ({ before, response }) => {
      if (before > 0) return false;
      response.writeHead(429, { 'retry-after': '1' }).end();
      return true;
    });
    const { code, stderr } = await unpack(`${proxy.host}/some/image:1`, '--progress', progress);
    expect({ code, stderr }).toEqual({ code: 0, stderr: expect.stringMatching(said) });
  });
});

test('waits are shown on a terminal, before there are lines for layers and above them', async () => {
  const waits = new Set(['manifests', sample.image.layer.digest]);
  const { proxy } = await sample.through('', ({ request, response }) => {
    const kind = [...waits].find((name) => request.url!.includes(name));
    if (kind === undefined) return false;
    waits.delete(kind);
    response.writeHead(429, { 'retry-after': '1' }).end();
    return true;
  });
  const terminal = new Terminal('bash --norc', temporaryDirectory());
  terminal.run(`overlayer unpack docker://${proxy.host}/some/image:1 rootfs`);
  await terminal.shows(/^Unpacked /m);
  expect(terminal.screen()).toMatch(
    /^overlayer: waiting 1\.0 s: Cannot get manifest[\s\S]*^overlayer: waiting 1\.0 s: Cannot get blob[\s\S]*: done$/m,
  );
});

test('--deadline ends the waiting for a registry that says nothing', async () => {
  const { proxy } = await sample.through('manifests', () => true);
  const { code, stderr } = await unpack(`${proxy.host}/some/image:1`, '--deadline', '1', '--min-rate', '1K');
  expect(code).toBe(14);
  expect(stderr).toMatch(/^overlayer: .*some\/image:1 did not arrive within 1 s: --deadline/);
});

test('--hosts-dir says where a registry is', async () => {
  const proxy = await RegistryProxy.start(sample.registry.host, '', () => false);
  const directory = join(temporaryDirectory(), 'registry.example');
  mkdirSync(directory);
  writeFileSync(join(directory, 'hosts.toml'), `server = "http://${proxy.host}"\n`);
  const result = await unpack('registry.example/some/image:1', '--hosts-dir', join(directory, '..'));
  expect(result).toMatchObject({ code: 0 });
  expect(proxy.requests).toHaveLength(3);
  await proxy.close();
});
