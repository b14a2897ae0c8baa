/**
 * For a snapshot that is soon to be `name`, or gone: in containerd's form (`extract-<nanoseconds>-<random>
 * <chainID>`), by which its users know what it is.
 */
export function temporaryKey(name: string): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `extract-${nanoseconds}-${Math.random().toString(36).slice(2, 8)} ${name}`;
}
