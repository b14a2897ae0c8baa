import { normalizePlatform, type Platform } from './platform.js';

/**
 * How well something for `offered` runs where `wanted` is asked for: 0 is best, undefined not at all. As containerd's
 * default matcher (containerd/platforms, compare.go): older variants of an architecture run on newer ones, and 32 bits
 * on 64.
 */
export function rankPlatform(offered: Platform, wanted: Platform): number | undefined {
  const { os, architecture, variant = '' } = normalizePlatform(offered);
  const target = normalizePlatform(wanted);
  if (os !== '' && os !== target.os) return undefined;
  const runs = compatible(target.architecture, target.variant ?? '');
  // What says no architecture is for any, but behind what says this one.
  if (architecture === '') return runs.length;
  const rank = runs.indexOf(`${architecture}/${variant}`);
  return rank === -1 ? undefined : rank;
}

/** What runs on an architecture, in its normal spelling, the best first. */
function compatible(architecture: string, variant: string): readonly string[] {
  const own = `${architecture}/${variant}`;
  switch (architecture) {
    case 'amd64':
      return [
        own,
        ...older(variant, 2).map((level) => `amd64/v${level}`),
        ...(variant === '' ? [] : ['amd64/']),
        '386/',
      ];
    case 'arm64':
      return [own, ...(variant === '' ? [] : ['arm64/']), ...compatible('arm', 'v8')];
    case 'arm':
      return [own, ...older(variant, 5).map((level) => `arm/v${level}`)];
    default:
      return [own];
  }
}

/** Levels below that of a variant (`v7`), down to the lowest, the highest first. */
function older(variant: string, lowest: number): readonly number[] {
  const level = Number(/^v(\d)$/.exec(variant)?.[1] ?? 0);
  return Array.from({ length: Math.max(level - lowest, 0) }, (_, index) => level - 1 - index);
}
