import { describe, expect, test } from 'vitest';
import { makeErofsLayer } from '../helpers/erofs-layer.js';
import { useErofsMounts } from '../helpers/erofs-mounts.js';
import { ODD_LAYERS } from '../helpers/odd-layers.js';
import { LOWEST_LAYER } from '../helpers/odd-stacks.js';
import { REAL_LAYERS } from '../helpers/real-layers.js';
import { dir, file, tar } from '../helpers/tar-builder.js';
import { TargetStack } from '../helpers/target-stack.js';

const mounts = useErofsMounts();

const LAYERS = [
  ...Object.entries(ODD_LAYERS).map(([name, members]) => [name, tar(...members)] as const),
  ...REAL_LAYERS,
];

describe('the targets agree about a layer, alone and twice upon another', () => {
  test.each(LAYERS)('%s', async (_, layer) => {
    using alone = new TargetStack(mounts);
    if ((await alone.add(layer)) === undefined) await alone.checkMounts();
    using stack = new TargetStack(mounts);
    await stack.add(LOWEST_LAYER);
    if ((await stack.add(layer)) !== undefined) return;
    const merged = stack.merged();
    const again = await stack.add(layer);
    await stack.check(again === undefined ? stack.merged() : merged);
  });

  // A mount as root does not hide the marks of a mount without privileges, nor the one with an empty name.
  test('attributes that overlayfs would obey in other mounts', async () => {
    using stack = new TargetStack(mounts);
    const xattrs = { 'user.overlay.opaque': 'y', 'trusted.overlay.': 'y', 'trusted.overlay.overlay.': 'z' };
    expect(await stack.add(tar(dir('d', { xattrs }), file('f', '', { xattrs })))).toBeUndefined();
    await stack.checkMounts();
  });

  test('an attribute of 65,536 bytes is the largest that Linux takes, and EROFS refuses it', async () => {
    const layer = tar(file('f', 'x', { xattrs: { 'trusted.a': Buffer.alloc(65_536) } }));
    expect(() => makeErofsLayer(layer)).toThrow('its value has 65536 bytes, and EROFS stores 65535');
  });
});
