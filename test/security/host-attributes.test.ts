import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { test } from '../helpers/sandbox.js';
import { dir, file, tar } from '../helpers/tar-builder.js';

const kinds = (result: { readonly anomalies: readonly { readonly kind: string }[] }) =>
  result.anomalies.map(({ kind }) => kind);

describe('moby#47962: attributes of an image that overlayfs would take for its own', () => {
  const hostile = {
    'trusted.overlay.opaque': 'y',
    'trusted.overlay.redirect': '/etc',
    'trusted.overlay.overlay.opaque': 'y',
    'user.overlay.opaque': 'y',
    'user.overlay.whiteout': '',
    'user.overlay.origin': 'x',
  };
  const escaped = Object.fromEntries(
    Object.entries(hostile).map(([name, value]) => [name.replace('.overlay.', '.overlay.overlay.'), value]),
  );

  for (const target of ['directory', 'overlay'] as const)
    test(`${target}: they are stored escaped`, async ({ box }) => {
      const result = await box.unpack(
        tar(dir('d', { xattrs: hostile }), file('d/f', '', { xattrs: hostile })),
        { target },
      );
      expect(box.tree().get('d')?.xattrs).toEqual(escaped);
      expect(box.tree().get('d/f')?.xattrs).toEqual(escaped);
      expect(kinds(result)).toContain('overlay-xattr');
    });
});

describe('attributes that belong to the host', () => {
  test('security.selinux is not set', async ({ box }) => {
    const label = { 'security.selinux': 'system_u:object_r:shadow_t:s0\0', 'user.kept': 'x' };
    const result = await box.unpack(tar(file('f', '', { xattrs: label })));
    expect(box.tree().get('f')?.xattrs).toEqual({ 'user.kept': 'x' });
    expect(kinds(result)).toContain('xattr-skipped');
  });

  test('security.capability is', async ({ box }) => {
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex');
    await box.unpack(
      tar(file('ping', 'x', { mode: 0o755, uid: 1, xattrs: { 'security.capability': capability } })),
    );
    expect(box.tree().get('ping')?.xattrs).toEqual({ 'security.capability': capability.toString('latin1') });
  });
});

describe('CVE-2021-41103: setuid programs of an image within reach of the users of the host', () => {
  test('nobody else can enter the tree while it is unpacked', async ({ box }) => {
    const modes: number[] = [];
    async function* observed() {
      yield tar(dir('./', { mode: 0o755 }), file('su', 'x'.repeat(4096), { mode: 0o4755 })).subarray(0, 3072);
      modes.push(await stagingMode(dirname(box.dest)));
      yield tar(dir('./', { mode: 0o755 }), file('su', 'x'.repeat(4096), { mode: 0o4755 })).subarray(3072);
    }
    await box.unpack(observed());
    expect(modes.map((mode) => (mode & 0o077).toString(8))).toEqual(['0']);
    expect(box.tree().get('.')?.mode).toBe('0755');
  });

  test('the destination stays empty when it was and the unpack fails', async ({ box }) => {
    mkdirSync(box.dest, { mode: 0o700 });
    await expect(box.unpack(Buffer.concat([file('a', 'x'), Buffer.alloc(512, 1)]))).rejects.toThrow();
    expect(readdirSync(box.dest)).toEqual([]);
    expect(statSync(box.dest).mode & 0o7777).toBe(0o700);
  });
});

/** Waits for the staging directory, which is made in a thread of its own. */
async function stagingMode(parent: string): Promise<number> {
  for (;;) {
    const name = readdirSync(parent).find((entry) => entry.startsWith('.dest.overlayer-'));
    if (name !== undefined) return statSync(join(parent, name)).mode;
    await new Promise(setImmediate);
  }
}
