import { readFileSync, writeFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { System } from '../../system/system.js';
import { EntryDescriber } from './manifest-entry.js';
import { endLine, entryLine, MANIFEST_HEADER } from './manifest-line.js';
import { verifyManifest } from './read-manifest.js';

/**
 * The root's line, which is the first, is to say what the open directory `root` is now. Not synced, as by
 * `writeManifest`.
 */
export function rewriteRoot(system: System, path: string, root: number): void {
  const { entries, diffID } = verifyManifest(path);
  const bytes = readFileSync(path);
  const oldRoot = bytes.indexOf('\n') + 1;
  const others = bytes.indexOf('\n', oldRoot) + 1;
  const end = bytes.lastIndexOf('\n', bytes.length - 2) + 1;
  const described = new EntryDescriber(system).describe(
    { path: '', parent: root, name: '.', stat: system.stat(root) },
    () => undefined,
  );
  const body = Buffer.concat([
    Buffer.from(`${MANIFEST_HEADER}\n${entryLine(described)}\n`),
    bytes.subarray(others, end),
  ]);
  const last = endLine({ entries, diffID, checksum: crc32(body) });
  writeFileSync(path, Buffer.concat([body, Buffer.from(`${last}\n`)]));
}
