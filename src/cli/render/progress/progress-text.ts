import { counted, formatBytes, formatSeconds } from '../format.js';
import type { PacedProgress } from './pace.js';

/** `76 MB of 167 MB (45 %), 85 MB/s, 1.1 s left, 10,443 entries` */
export function progressText({
  compressedBytes,
  compressedSize,
  rate,
  secondsLeft,
  entries,
}: PacedProgress): string {
  return [
    compressedSize === undefined
      ? formatBytes(compressedBytes)
      : `${formatBytes(compressedBytes)} of ${formatBytes(compressedSize)} (${percent(compressedBytes, compressedSize)} %)`,
    `${formatBytes(rate)}/s`,
    ...(compressedBytes === compressedSize
      ? ['finishing']
      : secondsLeft === undefined
        ? []
        : [`${formatSeconds(secondsLeft)} left`]),
    counted(entries, 'entry', 'entries'),
  ].join(', ');
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 100 : Math.floor((100 * part) / whole);
}
