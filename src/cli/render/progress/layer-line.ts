import type { LayerState } from '../../../index.js';
import { counted, formatBytes } from '../format.js';

/** Where a layer is, as the line that stands for it shows. */
export type LayerLine = LayerState | { readonly phase: 'done' | 'present' };

/** `12 MB of 30 MB, downloading` */
export function layerText(line: LayerLine): string {
  switch (line.phase) {
    case 'waiting':
      return `waiting (${formatBytes(line.compressedSize)})`;
    case 'downloading':
      return `downloading ${formatBytes(line.compressedBytes)} of ${formatBytes(line.compressedSize)}`;
    case 'unpacking':
      return `unpacking ${counted(line.entries, 'entry', 'entries')}`;
    case 'verifying':
    case 'committing':
    case 'done':
      return line.phase;
    case 'present':
      return 'already there';
    default:
      return line satisfies never;
  }
}

/** From 0 to 1; undefined where there is nothing to show a bar for. */
export function layerShare(line: LayerLine): number | undefined {
  if (line.phase !== 'downloading' && line.phase !== 'unpacking') return undefined;
  return line.compressedSize === 0 ? 1 : line.compressedBytes / line.compressedSize;
}
