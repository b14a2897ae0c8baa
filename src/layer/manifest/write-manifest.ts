import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import {
  isCountedBeforeClose,
  isCountedBeforeSync,
  type TreeUsage,
  UsageCount,
} from '../../rootfs/trees/measure-usage.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { type DirectoryEntry, DT, type System } from '../../system/system.js';
import { FileChecksum } from './file-checksum.js';
import { FACT, FACTS, type FileFacts } from './file-facts.js';
import { EntryDescriber, endLine, entryLine, MANIFEST_HEADER, type ManifestEntry } from './manifest-entry.js';
import { verifyManifest } from './read-manifest.js';

const FREE = -1;

interface KnownFile extends ManifestEntry {
  readonly blocks: number;
}

/** Facts by inode. It is a hash table of its own: a `Map` of 62,000 took 35 ms to fill, and as long to read. */
export class KnownFiles {
  readonly #rows: Float64Array;
  /** Indices of rows. A collision goes to the next free place. */
  readonly #table: Int32Array;
  readonly #shift: number;

  constructor({ rows, linked }: FileFacts) {
    this.#rows = rows;
    const bits = Math.ceil(Math.log2(rows.length / FACTS + 1)) + 1;
    this.#table = new Int32Array(2 ** bits).fill(FREE);
    this.#shift = 32 - bits;
    for (let row = 0; row < rows.length; row += FACTS)
      this.#table[this.#placeOf(rows[row + FACT.inode]!)] = row;
    for (const inode of linked) {
      const row = this.#rowOf(inode);
      if (row !== FREE) rows[row + FACT.mode] = -1;
    }
  }

  /** The entry of a file. @returns undefined when the file has to be looked at */
  find(inode: number, path: string): KnownFile | undefined {
    const row = this.#rowOf(inode);
    const rows = this.#rows;
    if (row === FREE || rows[row + FACT.mode]! < 0) return undefined;
    return {
      path,
      type: 'file',
      mode: rows[row + FACT.mode]! & 0o7777,
      uid: rows[row + FACT.uid]!,
      gid: rows[row + FACT.gid]!,
      mtimeSec: rows[row + FACT.mtimeSec]!,
      mtimeNsec: rows[row + FACT.mtimeNsec]!,
      size: rows[row + FACT.size]!,
      link: undefined,
      checksum: rows[row + FACT.checksum]!,
      xattrs: 0,
      blocks: rows[row + FACT.blocks]!,
    };
  }

  checksumOf(inode: number): number | undefined {
    const row = this.#rowOf(inode);
    const checksum = row === FREE ? -1 : this.#rows[row + FACT.checksum]!;
    return checksum < 0 ? undefined : checksum;
  }

  #rowOf(inode: number): number {
    return this.#table[this.#placeOf(inode)]!;
  }

  /**
   * The place that an inode has, or would get. File systems number inodes in runs, which collide unless they are
   * scattered (Fibonacci hashing).
   */
  #placeOf(inode: number): number {
    const table = this.#table;
    const last = table.length - 1;
    const folded = (inode / 2 ** 32) ^ inode;
    for (let place = Math.imul(folded, 0x9e3779b1) >>> this.#shift; ; place = (place + 1) & last) {
      const row = table[place]!;
      if (row === FREE || this.#rows[row + FACT.inode] === inode) return place;
    }
  }
}

const FLUSH_CHARACTERS = 64 * 1024;
const MOST_UTF8_BYTES = 3;
/**
 * The kernel's PATH_MAX. Each line has a whole path: for a tree as deep as a container can make it, the manifest
 * would be larger than the disk.
 */
const MAX_PATH_LENGTH = 4096;

export interface ManifestSource {
  /** Open descriptor of the finished tree. */
  readonly root: number;
  /** Facts about the files that a layer has just brought. @default none: every file is read */
  readonly facts?: FileFacts | undefined;
  readonly diffID?: string | undefined;
}

/**
 * Writes a manifest of a tree as it is on disk. Files that `facts` does not describe are read.
 *
 * The file is not synced: a sync of its filesystem does that, together with the tree.
 *
 * A tree with a path that is longer than `PATH_MAX` gets no manifest.
 *
 * @returns the tree's usage, which is counted on the way; undefined when the filesystem allocates blocks only later,
 *   or without a manifest
 * @throws OverlayerError when the kernel refuses a call; no file is left at `path`
 */
export function writeManifest(system: System, path: string, source: ManifestSource): TreeUsage | undefined {
  try {
    const output = new ManifestOutput(path);
    try {
      const describer = new EntryDescriber(system);
      const files = new FileChecksum(system);
      const count = new UsageCount();
      const brought = source.facts && new KnownFiles(source.facts);
      // 58,000 files take 1.4 s with a stat call each, and 0.3 s without.
      const isKnown = ({ type, ino }: DirectoryEntry, path: string): boolean => {
        const file = type === DT.REG ? brought?.find(ino, path) : undefined;
        if (file === undefined) return false;
        count.addOne(file.blocks);
        output.line(entryLine(file));
        return true;
      };
      const visit = (walked: WalkedEntry): boolean => {
        const { path, parent, name, stat } = walked;
        if (path.length > MAX_PATH_LENGTH) throw new TooDeep();
        if (path === '' || !stat.isMountRoot) count.add(stat);
        const checksumOf = () =>
          stat.size === 0 ? 0 : (brought?.checksumOf(stat.ino) ?? files.of(parent, name, stat.size));
        output.line(entryLine(describer.describe(walked, checksumOf)));
        return true;
      };
      output.line(MANIFEST_HEADER);
      walkTree(system, source.root, visit, isCountedBeforeClose(system, source.root) ? { isKnown } : {});
      output.end(source.diffID);
      return isCountedBeforeSync(system, source.root) ? count.usage : undefined;
    } finally {
      output.close();
    }
  } catch (error) {
    rmSync(path, { force: true });
    if (error instanceof TooDeep) return undefined;
    throw toOverlayerError(error, `Cannot write the manifest "${path}"`);
  }
}

class TooDeep extends Error {}

class ManifestOutput {
  readonly #file: number;
  readonly #encoder = new TextEncoder();
  #buffer = new Uint8Array(0);
  #text = '';
  #lines = 0;
  #checksum = 0;

  constructor(path: string) {
    this.#file = openSync(path, 'w', 0o600);
  }

  line(line: string): void {
    this.#text += `${line}\n`;
    this.#lines += 1;
    if (this.#text.length >= FLUSH_CHARACTERS) this.#flush();
  }

  end(diffID: string | undefined): void {
    this.#flush();
    this.#text = `${endLine({ entries: this.#lines - 1, checksum: this.#checksum, diffID })}\n`;
    this.#flush();
  }

  close(): void {
    closeSync(this.#file);
  }

  #flush(): void {
    const most = this.#text.length * MOST_UTF8_BYTES;
    if (most > this.#buffer.length) this.#buffer = new Uint8Array(most);
    // Buffer.from would count the bytes first, which takes as long as writing them.
    const bytes = this.#buffer.subarray(0, this.#encoder.encodeInto(this.#text, this.#buffer).written);
    this.#text = '';
    this.#checksum = crc32(bytes, this.#checksum);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#file, bytes, at);
  }
}

/** Replaces the root's line, which is the first, by one that describes `root`. The file is not synced. */
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
