import { type Stats, statSync } from 'node:fs';

/** @returns undefined for a path that cannot be looked at: the reader of the file reports why */
export function statIfReadable(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}
