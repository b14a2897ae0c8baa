import { AbortedError, type Gate } from '../../base/gate.js';

/** Waits for every thread, even after one has failed: they share memory. The failure that is nobody else's comes first. */
export async function settleAll<T extends readonly unknown[]>(
  gate: Gate,
  parts: T,
  stop: () => void,
): Promise<{ [K in keyof T]: Awaited<T[K]> }> {
  const failures: unknown[] = [];
  const results = await Promise.all(
    parts.map(async (part) => {
      try {
        return await part;
      } catch (error) {
        failures.push(error);
        gate.abort();
        stop();
        return undefined;
      }
    }),
  );
  if (failures.length > 0) throw failures.find((error) => !(error instanceof AbortedError)) ?? failures[0];
  return results as { [K in keyof T]: Awaited<T[K]> };
}
