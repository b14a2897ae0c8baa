import type { Mount } from './mount.js';
import { parseMountOptions, splitOption } from './mount-options.js';
import { typeOf } from './templates.js';

/** Puts a `\` before each character that the kernel would read as a separator of layers. */
export function escapeLayer(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}

/** Splits the value of `lowerdir` into paths. */
export function splitLayers(value = ''): string[] {
  return (value.match(/(?:\\.|[^:\\])+/g) ?? []).map(unescapeLayer);
}

export function unescapeLayer(path: string): string {
  return path.replace(/\\(.)/g, '$1');
}

interface OverlayLayers {
  /** The upperdir; undefined for a read-only overlay. */
  readonly upper: string | undefined;
  /** Nearest first. */
  readonly lowers: readonly string[];
}

/** @param data options of an overlay mount, from `parseMountOptions` */
export function overlayLayers(data: readonly string[]): OverlayLayers {
  const option = (wanted: string) => data.map(splitOption).find(([key]) => key === wanted)?.[1];
  const upper = option('upperdir');
  return {
    upper: upper === undefined ? undefined : unescapeLayer(upper),
    lowers: splitLayers(option('lowerdir')),
  };
}

/** The directories whose contents a mount shows merged, the uppermost first; undefined for mounts of another kind. */
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
 * A mount that shows the same tree read-only. The upperdir becomes a lower layer, since two overlays may not share
 * one (containerd's read-only temporary mounts do the same). Owners are not mapped: they are those of the layers on
 * disk.
 */
export function readOnlyMount(mount: Mount): Mount {
  const without = (options: readonly string[], keys: readonly string[]) =>
    options.filter((option) => !keys.includes(splitOption(option)[0]));
  if (typeOf(mount) !== 'overlay') return { ...mount, options: [...without(mount.options, ID_MAPS), 'ro'] };
  const { flags, data } = parseMountOptions('overlay', mount.options);
  const lowerdir = allLayers(overlayLayers(data)).map(escapeLayer).join(':');
  const others = without(data, [...TO_WRITE, 'lowerdir']);
  return { ...mount, options: [...flags, ...others, `lowerdir=${lowerdir}`, 'ro'] };
}
