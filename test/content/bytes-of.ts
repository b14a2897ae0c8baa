import { createHash } from 'node:crypto';

/** Up to 300 KB that depend on the name alone. */
export function bytesOf(name: string): Buffer {
  const seed = createHash('sha256').update(name).digest();
  const bytes = Buffer.alloc(seed.readUInt32LE(0) % 300_000);
  for (let at = 0; at < bytes.length; at += 4096) seed.copy(bytes, at + (seed[at % 32] ?? 0));
  return bytes;
}
