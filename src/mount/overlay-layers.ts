import type { Mount } from './mount.js';
import { parseMountOptions, splitOption } from './mount-options.js';

/** Puts a `\` before each character of a layer's path that the kernel would read as a separator. */
export function escapeLayer(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}

/** The paths of `lowerdir`, which stand between colons. */
export function splitLayers(value = ''): string[] {
  return (value.match(/(?:\\.|[^:\\])+/g) ?? []).map(unescapeLayer);
}

export function unescapeLayer(path: string): string {
  return path.replace(/\\(.)/g, '$1');
}

export interface OverlayLayers {
  /** What is written to; undefined where nothing is. */
  readonly upper: string | undefined;
  /** Nearest first. */
  readonly lowers: readonly string[];
}

/** @param data options of an overlay mount, as `parseMountOptions` gives them */
export function overlayLayers(data: readonly string[]): OverlayLayers {
  const option = (wanted: string) => data.map(splitOption).find(([key]) => key === wanted)?.[1];
  const upper = option('upperdir');
  return {
    upper: upper === undefined ? undefined : unescapeLayer(upper),
    lowers: splitLayers(option('lowerdir')),
  };
}

/** The directories that are seen over one another, the uppermost first; undefined for what is not seen so. */
export function shownLayers(mounts: readonly Mount[]): readonly string[] | undefined {
  const [mount] = mounts;
  if (mount === undefined) return [];
  if (mounts.length > 1 || mount.target !== undefined) return undefined;
  const { bind, data } = parseMountOptions(mount.type, mount.options);
  if (bind !== 'no') return [mount.source];
  return mount.type === 'overlay' ? allLayers(overlayLayers(data)) : undefined;
}

function allLayers({ upper, lowers }: OverlayLayers): readonly string[] {
  return upper === undefined ? lowers : [upper, ...lowers];
}

const TO_WRITE = ['upperdir', 'workdir', 'volatile'];
const ID_MAPS = ['uidmap', 'gidmap'];

/**
 * The same tree to be read, beside whoever writes to it: overlayfs would not share an upperdir (containerd's readonly
 * temporary mounts do likewise). With the owners of the disk, which are those of a layer, rather than those that an
 * idmapped mount shows.
 */
export function readOnlyMount(mount: Mount): Mount {
  const without = (options: readonly string[], keys: readonly string[]) =>
    options.filter((option) => !keys.includes(splitOption(option)[0]));
  if (mount.type !== 'overlay') return { ...mount, options: [...without(mount.options, ID_MAPS), 'ro'] };
  const { flags, data } = parseMountOptions(mount.type, mount.options);
  const lowerdir = allLayers(overlayLayers(data)).map(escapeLayer).join(':');
  const others = without(data, [...TO_WRITE, 'lowerdir']);
  return { ...mount, options: [...flags, ...others, `lowerdir=${lowerdir}`, 'ro'] };
}
