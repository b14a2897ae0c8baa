import { describe, expect } from 'vitest';
import { AbortedError } from '../../src/base/threads/gate.js';
import { WorkBudget } from '../../src/base/work-budget.js';
import { DEFAULT_LIMITS } from '../../src/index.js';
import { copyContents } from '../../src/rootfs/trees/copy-contents.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { meterSystem } from '../../src/system/metered-system.js';
import { SystemError } from '../../src/system/system.js';
import { applyLayer, countCalls } from '../helpers/apply-layer.js';
import { FaultySystem } from '../helpers/faulty-system.js';
import { type Sandbox, test } from '../helpers/sandbox.js';
import { dir, file, opaque, symlink, tar, whiteout } from '../helpers/tar-builder.js';

// Small layers that asked for millions of calls to the kernel, or for memory without end. What they cost is counted
// through the seam to the kernel: the bounds are several times what it is now, and a fraction of what it was.

const range = (count: number) => Array.from({ length: count }, (_, index) => index);

async function directories(
  box: Sandbox,
  count: number,
  member: (index: number) => Buffer,
): Promise<string[]> {
  const paths: string[] = [];
  for (const index of range(count)) paths.push(await box.directory(`l${index}`, member(index)));
  return paths;
}

describe('calls to the kernel grow with the entries', () => {
  test('directories, whose times are set when they are closed', async ({ box }) => {
    const deep = range(40).map((depth) => dir(`${'d/'.repeat(200)}${depth}`));
    const calls = countCalls(box.dest, {
      layer: tar(...range(2000).map((index) => dir(`d${index}`)), ...deep),
    });
    expect(calls).toBeLessThan(10 * 2240);
  });

  test('opaque marks at the root, again and again, over many names', async ({ box }) => {
    const lower = await box.directory('lower', ...range(1000).map((index) => file(`f${index}`)));
    const layer = tar(...range(1000).map(() => opaque('')));
    const calls = countCalls(box.dest, { layer, target: 'overlay' }, [lower]);
    expect(calls).toBeLessThan(10 * 1000);
  });

  test('paths of many components through symlinks of the lowest of many layers', async ({ box }) => {
    const lowest = await box.directory('lowest', symlink('a', '.'), symlink('b', '.'));
    const others = await directories(box, 30, (index) => file(`x${index}`));
    const path = (index: number) =>
      range(200)
        .map((bit) => (index & (1 << (bit % 20)) ? 'a' : 'b'))
        .join('/');
    const layer = tar(...range(50).map((index) => file(`${path(index)}/f${index}`, 'x')));
    const calls = countCalls(box.dest, { layer, target: 'overlay' }, [...others, lowest]);
    expect(calls).toBeLessThan(50 * 20);
  });

  test('files in a directory that many lower layers have', async ({ box }) => {
    const lowers = await directories(box, 30, (index) => file(`d/x${index}`));
    const layer = tar(...range(200).map((index) => file(`d/f${index}`, 'x')));
    const calls = countCalls(box.dest, { layer, target: 'overlay' }, lowers);
    expect(calls).toBeLessThan(200 * 10 + 30 * 10);
  });

  test('each symlink leads to the end of the last one', async ({ box }) => {
    const down = 'd/'.repeat(100);
    const layer = tar(
      ...range(20).flatMap((part) => {
        const from = part === 0 ? '' : `s${part - 1}/`;
        return [dir(`${from}${down}`), symlink(`s${part}`, `${from}${down}`)];
      }),
    );
    expect(countCalls(box.dest, { layer })).toBeLessThan(20 * 100 * 12);
  });

  test('directories that are filled at once', ({ box }) => {
    const layer = tar(...range(100).flatMap((index) => [dir(`d${index}`), file(`d${index}/f`, 'x')]));
    expect(countCalls(box.dest, { layer })).toBeLessThan(100 * 12);
  });
});

test('user attributes are not tried on what can have none', async ({ box }) => {
  const xattrs = Object.fromEntries(range(500).map((index) => [`user.${index}`, '']));
  const layer = tar(...range(20).map((index) => symlink(`s${index}`, 'x', { xattrs })));
  expect(countCalls(box.dest, { layer })).toBeLessThan(500);
});

describe('what a whiteout removes from a lower layer was paid for when it was made', () => {
  test('one whiteout of 3,000 files under a budget of one call for each entry', async ({ box }) => {
    await box.unpack(tar(...range(3000).map((index) => file(`d/${index % 7}/${index}`))));
    const limits = { ...DEFAULT_LIMITS, maxWork: 1 };
    let calls = 0;
    const budget = new WorkBudget(limits);
    const charge = budget.charge.bind(budget);
    budget.charge = (more = 1) => {
      calls += more;
      charge(more);
    };
    applyLayer(openLinuxSystem(), box.dest, { layer: tar(whiteout('d')), existing: 'merge', budget });
    expect(calls).toBeGreaterThan(6000);
    expect(box.tree().size).toBe(1);
  });
});

describe('the end is heard', () => {
  const layers = {
    'in the midst of a removal': tar(whiteout('d')),
    'while names are hidden': tar(...range(3000).map((index) => file(`f${index}`))),
  };
  for (const [name, layer] of Object.entries(layers))
    test(name, async ({ box }) => {
      await box.unpack(tar(...range(3000).map((index) => file(`d/${index}`))));
      let asked = false;
      const look = () => {
        if (asked) throw new AbortedError();
      };
      const counting = new FaultySystem(openLinuxSystem());
      const system = {
        ...counting.system,
        unlink(directory: number, entry: string) {
          if (counting.calls.get('unlink')! >= 100) asked = true;
          counting.system.unlink(directory, entry);
        },
        setTimes(...args: Parameters<typeof counting.system.setTimes>) {
          if (counting.calls.get('setTimes')! >= 100) asked = true;
          counting.system.setTimes(...args);
        },
      };
      const budget = new WorkBudget(DEFAULT_LIMITS, { look });
      expect(() => applyLayer(system, box.dest, { layer, existing: 'merge', budget })).toThrow(AbortedError);
      const { calls } = counting;
      expect(Math.max(calls.get('unlink') ?? 0, calls.get('setTimes') ?? 0)).toBeLessThan(200);
    });
});

test('the end is heard between two pieces of a large file that is copied', () => {
  const size = 4 * 1024 ** 3;
  let pieces = 0;
  const look = () => {
    if (pieces === 2) throw new AbortedError();
  };
  const system = meterSystem(
    {
      ...openLinuxSystem(),
      cloneFile() {
        throw new SystemError('EOPNOTSUPP', 'ioctl', '');
      },
      seekData: (_descriptor, position) => position,
      seekHole: () => size,
      copyRange(_from, _to, _position, length) {
        pieces += 1;
        return length;
      },
    },
    new WorkBudget(DEFAULT_LIMITS, { look }),
  );
  expect(() => copyContents(system, -1, -1, size)).toThrow(AbortedError);
  expect(pieces).toBe(2);
});
