import type { System } from '../../system/system.js';

/**
 * The parts of an open file's first `size` bytes that hold data, in order; between them are holes. The descriptor
 * stands at the start of a part while it is looked at.
 */
export function* dataRanges(
  system: System,
  file: number,
  size: number,
): Generator<{ readonly start: number; readonly end: number }> {
  for (let position = 0; position < size; ) {
    const start = system.seekData(file, position);
    if (start === undefined || start >= size) return;
    position = Math.min(system.seekHole(file, start), size);
    system.seekData(file, start);
    yield { start, end: position };
  }
}
