import { mkdirSync } from 'node:fs';
import type { Mount } from '../../src/index.js';
import type { useNamespace } from './namespace-process.js';

/**
 * Mounts in the namespace of a helper process, and unmounts afterwards.
 *
 * @param place a directory, which is made if it is missing
 * @param look gets a path at which this process sees the tree
 */
export async function lookMounted<T>(
  { inside }: ReturnType<typeof useNamespace>,
  mounts: readonly Mount[],
  place: string,
  look: (root: string) => T,
): Promise<T> {
  mkdirSync(place, { recursive: true });
  const list = mounts.map(({ type, source, options }) => ({ type, source, options }));
  await inside.run(async ({ overlayer }, all, target) => await overlayer.mountAll(all, target), list, place);
  try {
    return look(inside.view(place));
  } finally {
    await inside.run(async ({ overlayer }, target) => await overlayer.unmountAll(target), place);
  }
}
