import { describe, expect, test } from 'vitest';
import { mountsOn, parseMountInfo, readMountInfo, topMount } from '../../src/system/mountinfo.js';

const SAMPLE = String.raw`36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
40 36 0:31 / /mnt2/a\040b\011c\012d\134e rw - tmpfs  rw,size=4k
41 40 0:32 / /mnt2/a\040b\011c\012d\134e ro,nosuid shared:7 - overlay overlay ro,lowerdir=/x\134:y:/z
42 36 0:33 /- /mnt2/- rw - tmpfs - rw
`;

describe('mountinfo', () => {
  test('fields, with any number of optional ones between', () => {
    const [first, , third, fourth] = parseMountInfo(Buffer.from(SAMPLE));
    expect(first).toEqual({
      id: 36,
      parent: 35,
      device: '98:0',
      root: '/mnt1',
      mountPoint: '/mnt2',
      options: ['rw', 'noatime'],
      type: 'ext3',
      source: '/dev/root',
      superOptions: 'rw,errors=continue',
    });
    expect(third).toMatchObject({
      options: ['ro', 'nosuid'],
      superOptions: String.raw`ro,lowerdir=/x\:y:/z`,
    });
    expect(fourth).toMatchObject({ root: '/-', mountPoint: '/mnt2/-', type: 'tmpfs', source: '-' });
  });

  test('escapes, and a source without a name', () => {
    expect(parseMountInfo(Buffer.from(SAMPLE))[1]).toMatchObject({
      mountPoint: '/mnt2/a b\tc\nd\\e',
      source: '',
      superOptions: 'rw,size=4k',
    });
  });

  test('paths that are not UTF-8', () => {
    const line = Buffer.concat([Buffer.from('1 0 0:1 / /'), Buffer.of(0xff), Buffer.from(' rw - a b c\n')]);
    expect(parseMountInfo(line)[0]!.mountPoint).toBe('/\udcff');
  });

  test('the uppermost of a stack, whatever the order', () => {
    const mounts = parseMountInfo(Buffer.from(SAMPLE));
    const path = '/mnt2/a b\tc\nd\\e';
    expect(topMount(mounts, path)?.id).toBe(41);
    expect(topMount(mounts.toReversed(), path)?.id).toBe(41);
    expect(topMount(mounts, '/elsewhere')).toBeUndefined();
  });

  test('what is mounted on another comes before it', () => {
    const mounts = parseMountInfo(Buffer.from(SAMPLE));
    expect(mountsOn(mounts, mounts[0]!).map(({ id }) => id)).toEqual([41, 42, 40]);
  });

  test('mounts on mounts, more than the stack is deep', () => {
    const [one] = parseMountInfo(Buffer.from(SAMPLE));
    const mounts = Array.from({ length: 50_000 }, (_, id) => ({ ...one!, id: id + 1, parent: id }));
    expect(mountsOn(mounts, mounts[0]!).at(-1)?.id).toBe(2);
  });

  test('this machine has a root and a /proc', () => {
    const mounts = readMountInfo();
    expect(topMount(mounts, '/')).toBeDefined();
    expect(topMount(mounts, '/proc')?.type).toBe('proc');
  });
});
