import { splitOption } from './mount-options.js';

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
