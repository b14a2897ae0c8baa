import type { Mount } from './mount.js';
import { isIdMap, parseMountOptions, splitOption } from './mount-options.js';
import { escapeLayer, overlayLayers } from './overlay-layers.js';
import { typeOf, withoutTemplates } from './templates.js';

/** One of the trees that a mount shows merged. */
export interface ShownLayer {
  /** `erofs`: the path is of an EROFS file. */
  readonly type: 'directory' | 'erofs';
  readonly path: string;
}

/**
 * The layers that mounts show merged, the uppermost first.
 *
 * @returns undefined for mounts of another kind, and for those that show other things beside them
 */
export function shownLayers(mounts: readonly Mount[]): readonly ShownLayer[] | undefined {
  const { parts, mounts: placed } = withoutTemplates(mounts, (index) => mounts[index]!.source);
  const [mount, ...others] = placed;
  if (mount === undefined) return [];
  if (others.length > 0 || mount.target !== undefined || !parts.every(isOneFile)) return undefined;
  const files = new Set(parts.map(({ source }) => source));
  const layerAt = (path: string): ShownLayer => ({ type: files.has(path) ? 'erofs' : 'directory', path });
  const { bind, data } = parseMountOptions(mount.type, mount.options);
  if (bind !== 'no') return [layerAt(mount.source)];
  if (mount.type === 'erofs') return layersOfFile(mount.source, data);
  return mount.type === 'overlay' ? allLayers(overlayLayers(data)).map(layerAt) : undefined;
}

/** A file with devices has the merged metadata of these layers, which are named lowest first. */
function layersOfFile(path: string, data: readonly string[]): readonly ShownLayer[] | undefined {
  const files = data.length === 0 ? [path] : data.map(deviceOf).reverse();
  return files.some((file) => file === undefined)
    ? undefined
    : files.map((file) => ({ type: 'erofs', path: file! }));
}

function deviceOf(option: string): string | undefined {
  const [key, value] = splitOption(option);
  return key === 'device' ? value : undefined;
}

/** An EROFS file that is complete without others. */
function isOneFile({ type, options }: Mount): boolean {
  return type === 'erofs' && parseMountOptions(type, options).data.length === 0;
}

function allLayers({ upper, lowers }: ReturnType<typeof overlayLayers>): readonly string[] {
  return upper === undefined ? lowers : [upper, ...lowers];
}

/** Options of an overlay that the read-only form has not, or has with another value. */
const REPLACED = ['upperdir', 'workdir', 'volatile', 'lowerdir'];

/**
 * A mount that shows the same tree read-only. The upperdir becomes a lower layer, since two overlays may not share
 * one (containerd's read-only temporary mounts do the same). Owners are not mapped: they are those of the layers on
 * disk.
 */
export function readOnlyMount(mount: Mount): Mount {
  if (typeOf(mount) !== 'overlay')
    return { ...mount, options: [...mount.options.filter((option) => !isIdMap(option)), 'ro'] };
  const { flags, data } = parseMountOptions('overlay', mount.options);
  const lowerdir = allLayers(overlayLayers(data)).map(escapeLayer).join(':');
  const others = data.filter((option) => !REPLACED.includes(splitOption(option)[0]));
  return { ...mount, options: [...flags, ...others, `lowerdir=${lowerdir}`, 'ro'] };
}
