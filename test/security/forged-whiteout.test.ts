import { describe, expect } from 'vitest';
import { planLayer, type UnpackLayerOptions } from '../../src/index.js';
import { failureOf, type Sandbox, test } from '../helpers/sandbox.js';
import { characterDevice, dir, file, member, tar } from '../helpers/tar-builder.js';

// To overlayfs a character device 0:0 is a whiteout. A layer says what it deletes by names alone (image spec, layer.md),
// so such an entry would be a deletion that no reader of the layer sees.

const lower = [dir('etc'), file('etc/passwd', 'lower'), file('etc/keep', 'k')];
const forged = tar(
  characterDevice('etc/passwd', 0, 0, { mode: 0o666 }),
  characterDevice('etc', 0, 0),
  characterDevice('new', { base256: 0 }, { base256: 0 }),
);

const NAMED = ['etc/passwd', 'etc', 'new'];

describe('a device 0:0', () => {
  test.for([
    ['in a plain directory', {}],
    ['without privileges', { rootless: true }],
    ['in overlay form', { target: 'overlay' }],
    ['in overlay form without privileges', { target: 'overlay', rootless: true }],
  ] as const satisfies readonly (readonly [string, UnpackLayerOptions])[])(
    'is left out, with all that it would have done, and named (%s)',
    async ([, options], { box }) => {
      const lowers = 'target' in options ? [await box.directory('lower', ...lower)] : [];
      if (lowers.length === 0) await box.unpack(tar(...lower));
      const { anomalies, whiteouts } = await box.unpack(forged, { ...options, lowers, existing: 'merge' });
      const left = [...box.tree().keys()];
      expect(left).toEqual(lowers.length > 0 ? ['.'] : ['.', 'etc', 'etc/keep', 'etc/passwd']);
      expect(anomalies).toMatchObject([
        { kind: 'forged-whiteout', count: 3, examples: NAMED.map((entry) => ({ entry })) },
      ]);
      expect(whiteouts).toBe(0);
    },
  );

  test('is no operation of the plan, which names it', async () => {
    const plan = planLayer(forged);
    const operations = [];
    for await (const { operation } of plan) operations.push(operation);
    expect(operations).toEqual([]);
    expect((await plan).anomalies).toMatchObject([{ kind: 'forged-whiteout', count: 3 }]);
  });

  test('with the name of a whiteout is that whiteout', async ({ box }) => {
    await box.unpack(tar(...lower));
    const { anomalies } = await box.merge(characterDevice('etc/.wh.passwd', 0, 0));
    expect([...box.tree().keys()]).toEqual(['.', 'etc', 'etc/keep']);
    expect(anomalies).toEqual([]);
  });
});

describe('a device whose number the kernel would cut to 0:0', () => {
  const numbers: Record<string, readonly [number, number]> = {
    '4096:0': [4096, 0],
    '0:1048576': [0, 2 ** 20],
    '4294967296:0': [2 ** 32, 0],
  };
  for (const [name, [major, minor]] of Object.entries(numbers))
    test(`is refused (${name})`, async ({ box }: { box: Sandbox }) => {
      const device = member({
        name: 'd',
        type: '3',
        devmajor: { base256: major },
        devminor: { base256: minor },
      });
      expect((await failureOf(box.unpack(tar(device)))).code).toBe('InvalidArgument');
    });
});
