import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { OverlayerError } from '../../base/errors.js';
import { fromSystemError } from '../../system/errno-code.js';
import { asSystemError, isErrno } from '../../system/system.js';
import {
  type ManifestEnd,
  type ManifestEntry,
  type ManifestVersion,
  parseHeader,
  parseLine,
} from './manifest-entry.js';

const READ_BYTES = 64 * 1024;
const NEWLINE = 0x0a;

/**
 * Reads a manifest entry by entry. Its checksum is compared only at the end: do not act on the entries before.
 *
 * @returns the last line
 * @throws OverlayerError `DataLoss` when it is damaged, `NotFound` when there is none
 */
export function* readManifest(path: string): Generator<ManifestEntry, ManifestEnd> {
  let entries = 0;
  let checksum = 0;
  let version: ManifestVersion | undefined;
  let end: ManifestEnd | undefined;
  for (const line of lines(path)) {
    if (end !== undefined) throw damaged(path, 'there is more after its last line');
    if (version === undefined) {
      version = parseHeader(line.toString());
      if (version === undefined) throw damaged(path, 'it has no header of a known version');
      checksum = crc32(line);
      continue;
    }
    const parsed = parseLine(line.toString(), version);
    if (parsed === undefined) throw damaged(path, `line ${entries + 2} is not valid`);
    if ('entries' in parsed) {
      end = parsed;
      continue;
    }
    checksum = crc32(line, checksum);
    entries += 1;
    yield parsed;
  }
  if (end === undefined) throw damaged(path, 'it is cut off');
  if (end.checksum !== checksum || end.entries !== entries)
    throw damaged(path, 'its checksum does not match');
  return end;
}

/** Reads and verifies a whole manifest. @throws OverlayerError as `readManifest` */
export function verifyManifest(path: string): ManifestEnd {
  const entries = readManifest(path);
  for (;;) {
    const { done, value } = entries.next();
    if (done) return value;
  }
}

function* lines(path: string): Generator<Buffer> {
  const file = open(path);
  try {
    let rest: Buffer = Buffer.alloc(0);
    for (;;) {
      const chunk = Buffer.allocUnsafe(READ_BYTES);
      const length = readSync(file, chunk, 0, READ_BYTES, null);
      if (length === 0) break;
      let bytes: Buffer = Buffer.concat([rest, chunk.subarray(0, length)]);
      for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE)) {
        yield bytes.subarray(0, at + 1);
        bytes = bytes.subarray(at + 1);
      }
      rest = bytes;
    }
    if (rest.length > 0) yield rest;
  } finally {
    closeSync(file);
  }
}

function open(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    const error = asSystemError(cause, path);
    if (!isErrno(error, 'ENOENT')) throw fromSystemError(error, `Cannot read the manifest "${path}"`);
    throw new OverlayerError('NotFound', `There is no manifest "${path}"`, { cause });
  }
}

function damaged(path: string, what: string): OverlayerError {
  return new OverlayerError('DataLoss', `Manifest "${path}" is damaged: ${what}`);
}
