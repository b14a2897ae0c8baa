/**
 * For a snapshot that is soon to be `name`, or is only mounted for a while: in containerd's form (`extract-<nanoseconds>-<random>
 * <chainID>`), by which its users know what it is.
 */
export function temporaryKey(name: string, purpose: 'extract' | 'mount' = 'extract'): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `${purpose}-${nanoseconds}-${Math.random().toString(36).slice(2, 8)} ${name}`;
}
