/**
 * A key for a snapshot that will be committed as `name`, or is mounted for a short time. It has the form of containerd's
 * temporary keys (`extract-<nanoseconds>-<random> <chainID>`), which users know. It contains no space, so that it is one
 * word in a shell and in a table.
 */
export function temporaryKey(name: string, purpose: 'extract' | 'mount' = 'extract'): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `${purpose}-${nanoseconds}-${Math.random().toString(36).slice(2, 8)}-${name}`;
}
