/**
 * For a snapshot that is soon to be `name`, or is only mounted for a while. It begins as containerd's temporary keys
 * (`extract-<nanoseconds>-<random> <chainID>`), by which users know what it is, and has no space: it is one word in a shell
 * and in a table.
 */
export function temporaryKey(name: string, purpose: 'extract' | 'mount' = 'extract'): string {
  const nanoseconds = process.hrtime.bigint() % 1_000_000_000n;
  return `${purpose}-${nanoseconds}-${Math.random().toString(36).slice(2, 8)}-${name}`;
}
