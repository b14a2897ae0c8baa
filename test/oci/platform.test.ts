import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  formatPlatform,
  hostPlatform,
  normalizePlatform,
  parsePlatform,
  rankPlatform,
} from '../../src/oci/platform.js';

test.each([
  ['linux/amd64', { os: 'linux', architecture: 'amd64' }],
  ['linux/arm64/v8', { os: 'linux', architecture: 'arm64' }],
  ['linux/aarch64', { os: 'linux', architecture: 'arm64' }],
  ['Linux/x86_64', { os: 'linux', architecture: 'amd64' }],
  ['linux/amd64/v1', { os: 'linux', architecture: 'amd64' }],
  ['linux/amd64/v3', { os: 'linux', architecture: 'amd64', variant: 'v3' }],
  ['linux/arm', { os: 'linux', architecture: 'arm', variant: 'v7' }],
  ['linux/arm/6', { os: 'linux', architecture: 'arm', variant: 'v6' }],
  ['linux/armhf', { os: 'linux', architecture: 'arm', variant: 'v7' }],
  ['linux/armel', { os: 'linux', architecture: 'arm', variant: 'v6' }],
  ['linux/i386', { os: 'linux', architecture: '386' }],
  ['macos/arm64', { os: 'darwin', architecture: 'arm64' }],
  ['windows(10.0.17763)/amd64', { os: 'windows', architecture: 'amd64', osVersion: '10.0.17763' }],
  ['arm64', { os: 'linux', architecture: 'arm64' }],
])('%s', (text, platform) => {
  expect(parsePlatform(text)).toEqual(platform);
});

test('an os alone is that of the host’s architecture', () => {
  expect(parsePlatform('linux')).toEqual(hostPlatform());
});

test.each(['', '/', 'linux/', 'linux/amd64/', 'a/b/c/d', 'linux/amd 64', '../amd64', 'linux(1/amd64'])(
  'not a platform: "%s"',
  (text) => {
    expect(() => parsePlatform(text)).toThrow(expect.objectContaining({ code: 'InvalidArgument' }));
  },
);

const platforms = fc.record({
  os: fc.constantFrom('linux', 'windows', 'macOS', 'plan9'),
  architecture: fc.constantFrom('amd64', 'x86_64', 'arm', 'armhf', 'aarch64', 'i386', 's390x'),
  variant: fc.constantFrom('v1', 'v5', '7', 'v8', '8', 'V7', undefined),
  osVersion: fc.constantFrom('10.0.17763.1', undefined),
});

test('what is formatted is read as the same, in its normal spelling', () => {
  fc.assert(
    fc.property(platforms, (platform) => {
      const normal = normalizePlatform(platform);
      expect(parsePlatform(formatPlatform(platform))).toEqual(normal);
      expect(normalizePlatform(normal)).toEqual(normal);
      expect(rankPlatform(platform, normal)).toBe(0);
    }),
  );
});

describe('the best of an index for', () => {
  const best = (wanted: string, offered: readonly string[]) =>
    offered
      .map((text) => ({ text, rank: rankPlatform(parsePlatform(text), parsePlatform(wanted)) }))
      .filter(({ rank }) => rank !== undefined)
      .sort((a, b) => a.rank! - b.rank!)
      .map(({ text }) => text);

  test.each([
    ['linux/amd64', ['linux/386', 'linux/amd64', 'linux/arm64'], ['linux/amd64', 'linux/386']],
    ['linux/amd64', ['linux/amd64/v2', 'linux/amd64/v3'], []],
    [
      'linux/amd64/v3',
      ['linux/386', 'linux/amd64', 'linux/amd64/v4', 'linux/amd64/v2', 'linux/amd64/v3'],
      ['linux/amd64/v3', 'linux/amd64/v2', 'linux/amd64', 'linux/386'],
    ],
    [
      'linux/arm/v7',
      ['linux/arm/v5', 'linux/arm/v8', 'linux/arm/v6', 'linux/arm', 'linux/arm64'],
      ['linux/arm', 'linux/arm/v6', 'linux/arm/v5'],
    ],
    ['linux/arm/v6', ['linux/arm/v7', 'linux/arm/v5'], ['linux/arm/v5']],
    [
      'linux/arm64',
      ['linux/arm/v7', 'linux/arm64/v8', 'linux/arm/v8'],
      ['linux/arm64/v8', 'linux/arm/v8', 'linux/arm/v7'],
    ],
    ['linux/s390x', ['linux/amd64', 'linux/s390x', 'windows/s390x'], ['linux/s390x']],
  ])('%s', (wanted, offered, expected) => {
    expect(best(wanted, offered)).toEqual(expected);
  });

  test('an attestation runs nowhere', () => {
    expect(rankPlatform({ os: 'unknown', architecture: 'unknown' }, hostPlatform())).toBeUndefined();
  });
});
