import { describe, expect, test } from 'vitest';
import { resolveUser } from '../../../src/image/bundle/resolve-user.js';

const passwd = `root:x:0:0:root:/root:/bin/sh
# a comment
damaged
also:x:damaged:1::
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
1000:x:0:0:a name like a number:/:
app:x:1234:100:App:/app:/bin/sh
`;
const group = `root:x:0:
wheel:x:10:root,daemon
users:x:100:
audio:x:29:app,daemon
app:x:1234:app
broken:x:-1:app
huge:x:4294967296:app`;
const resolve = (text: string) => {
  const { uid, gid, additionalGids } = resolveUser(text, { passwd, group });
  return [uid, gid, additionalGids];
};

describe('a user', () => {
  test.each([
    ['', [0, 0, [0, 10]]],
    ['root', [0, 0, [0, 10]]],
    ['0', [0, 0, [0, 10]]],
    ['app', [1234, 100, [100, 29, 1234]]],
    ['1234', [1234, 100, [100, 29, 1234]]],
    ['daemon', [1, 1, [1, 10, 29]]],
    ['app:audio', [1234, 29, [29]]],
    ['app:7', [1234, 7, [7]]],
    ['5:6', [5, 6, [6]]],
    ['5:audio', [5, 29, [29]]],
    [':audio', [0, 29, [29]]],
    ['5', [5, 0, [0]]],
    ['2147483647', [2147483647, 0, [0]]],
  ])('"%s"', (text, expected) => {
    expect(resolve(text)).toEqual(expected);
  });

  test('with a number is an id, whoever has it as a name (CVE-2016-3697)', () => {
    expect(resolve('1000')).toEqual([1000, 0, [0]]);
  });
});

describe('refused', () => {
  test.each(['nobody', 'app:nobody', 'damaged', 'also', 'broken', 'app:broken', 'app:huge'])(
    '"%s" is not there',
    (text) => {
      expect(() => resolve(text)).toThrow(expect.objectContaining({ code: 'NotFound' }));
    },
  );

  test.each([
    '2147483648',
    '4294967296',
    '-1',
    '+0',
    '99999999999999999999',
    '0:4294967296',
    'app:',
    'a:b:c',
  ])('"%s" is no user (CVE-2024-40635)', (text) => {
    expect(() => resolve(text)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  });
});

test('an image without a user database has numbers, and root', () => {
  const nothing = { passwd: '', group: '' };
  expect(resolveUser('', nothing)).toEqual({ uid: 0, gid: 0, additionalGids: [0] });
  expect(resolveUser('7:8', nothing)).toEqual({ uid: 7, gid: 8, additionalGids: [8] });
});
