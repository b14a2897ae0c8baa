import { lstatSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import { OverlayerError } from '../base/errors.js';
import { WorkerThread } from '../base/threads/worker-thread.js';
import { BLOCK_BYTES, MODE, SUPERBLOCK_OFFSET } from '../erofs/format.js';
import { layOut } from '../erofs/layout.js';
import { MARK } from '../erofs/records.js';
import { encodeSuperblock } from '../erofs/superblock.js';
import { ErofsTree } from '../erofs/tree.js';
import { writeMetadata } from '../erofs/writer.js';
import { readOwnProc } from '../system/own-proc.js';
import type { Mount } from './mount.js';
import { escapeLayer } from './overlay-layers.js';
import { inScratch, type MountAt, reasonOf, withDetachedMounts } from './probe-mounts.js';
import { escapeTemplate } from './templates.js';

/** How the kernel mounts EROFS files on the filesystem of a directory, and overlays of them. */
export interface ErofsSupport {
  readonly supported: boolean;
  /** Why not, for people. */
  readonly reason: string | undefined;
  /**
   * `file`: the kernel mounts the files themselves. `loop`: they need loop devices, before Linux 6.12 and on filesystems
   * such as tmpfs and overlayfs.
   */
  readonly backing: 'file' | 'loop';
}

/** A job of `probe-worker.ts`. */
export interface ErofsProbeJobs {
  probeErofs(input: { readonly scratch: string }): ErofsSupport;
}

const NEEDS_ROOT = 'the backend erofs needs root: the kernel mounts EROFS files for root only';
/** /proc/self/uid_map outside of user namespaces. */
const ALL_USERS = /^\s*0\s+0\s+4294967295\s*$/;

/**
 * Finds out whether the kernel mounts EROFS files by mounting two of a few KiB in a new directory below `directory`, which
 * is removed afterwards. The mounts are not visible to other processes, and they end with this process.
 *
 * @throws OverlayerError `NotFound`, `PermissionDenied`, `ResourceExhausted` when the files cannot be made
 */
export async function probeErofs(directory: string): Promise<ErofsSupport> {
  if (!isRoot()) return { supported: false, reason: NEEDS_ROOT, backing: 'file' };
  return await inScratch(directory, 'Cannot try EROFS', async (detached, thread) => {
    const found = await withDetachedMounts((_, mountAt) => probeMounts(detached, mountAt));
    // overlayfs takes layers that are attached nowhere since Linux 6.15.
    return found.supported ? found : await probeInThread(thread);
  });
}

/** Whether this process is root, and not only in a user namespace. */
function isRoot(): boolean {
  return process.geteuid!() === 0 && ALL_USERS.test(readOwnProc('uid_map') ?? '0 0 4294967295');
}

export async function probeInThread(scratch: string): Promise<ErofsSupport> {
  const script = () => new URL('../threads/probe.cjs', import.meta.url);
  const thread = new WorkerThread<ErofsProbeJobs>(script, 'probe');
  return await thread.runLast({ type: 'probeErofs', scratch });
}

/** Mounts EROFS files in an empty directory, and looks at them. */
export async function probeMounts(scratch: string, mountAt: MountAt): Promise<ErofsSupport> {
  const at = (name: string) => join(scratch, name);
  for (const name of ['upper', 'work', 'one', 'merged']) mkdirSync(at(name));
  const layers = [writeLayer(at('nearest.erofs'), fillNearest), writeLayer(at('lowest.erofs'), fillLowest)];
  let backing: ErofsSupport['backing'] = 'file';
  const reason = await reasonOf('EROFS', async () => {
    const one = await mountOne(layers[1]!, at('one'), mountAt);
    backing = isOnDevice(one) ? 'loop' : 'file';
    expectFile(one);
    lookAtOverlay(await mountAt([...layers, overlayOn(at)], at('merged')));
  });
  return { supported: reason === undefined, reason, backing };
}

async function mountOne(layer: Mount, target: string, mountAt: MountAt): Promise<string> {
  try {
    return await mountAt([layer], target);
  } catch (error) {
    if (!OverlayerError.is(error) || error.errno !== 'EINVAL') throw error;
    throw new Error(`Linux ${release()} has no EROFS with blocks of 512 bytes, which needs Linux 6.4`);
  }
}

/** Whether a filesystem has a block device. Others have devices with the major number 0. */
function isOnDevice(directory: string): boolean {
  return (BigInt(statSync(directory).dev) & 0xfff00n) !== 0n;
}

const CONTENT = 'content of a file';
const CONTENT_OFFSET = 2048;
const METADATA_OFFSET = 4096;

function expectFile(directory: string): void {
  if (readFileSync(join(directory, 'kept'), 'utf8') !== CONTENT) throw new Error('a file has other bytes');
}

/** Throws when an overlay of `fillNearest` on `fillLowest` shows other files than it must, or is not writable. */
function lookAtOverlay(directory: string): void {
  expectFile(directory);
  const names = (below: string) => readdirSync(join(directory, below)).sort().join(' ');
  if (names('') !== 'kept replaced') throw new Error(`whiteouts hide nothing: ${names('')}`);
  if (names('replaced') !== 'new') throw new Error(`an opaque directory hides nothing: ${names('replaced')}`);
  writeFileSync(join(directory, 'replaced', 'written'), '');
  if (!lstatSync(join(directory, 'replaced', 'written')).isFile())
    throw new Error('it can not be written to');
}

function overlayOn(at: (name: string) => string): Mount {
  const directories = ['upper', 'work'].map((name) => `${name}dir=${escapeTemplate(escapeLayer(at(name)))}`);
  return {
    type: 'format/overlay',
    source: 'overlay',
    options: ['lowerdir={{ overlay 0 1 }}', ...directories],
  };
}

const ATTRIBUTES = { mode: 0o755, uid: 0, gid: 0, mtimeSec: 0, mtimeNsec: 0 };

/** A whiteout, and an opaque directory with a file. */
function fillNearest(tree: ErofsTree): void {
  tree.mark(tree.root, MARK.origin);
  const whiteout = addTo(tree, tree.root, 'gone', MODE.characterDevice);
  tree.setDevice(whiteout, 0, 0);
  const replaced = addTo(tree, tree.root, 'replaced', MODE.directory);
  tree.mark(replaced, MARK.opaque);
  addTo(tree, replaced, 'new', MODE.file);
}

function fillLowest(tree: ErofsTree): void {
  addTo(tree, tree.root, 'gone', MODE.file);
  tree.setFile(addTo(tree, tree.root, 'kept', MODE.file), CONTENT.length, CONTENT_OFFSET);
  addTo(tree, addTo(tree, tree.root, 'replaced', MODE.directory), 'old', MODE.file);
}

function addTo(tree: ErofsTree, directory: number, name: string, type: number): number {
  const inode = tree.addInode(type, ATTRIBUTES);
  tree.link(directory, name, inode);
  return inode;
}

/** Writes an EROFS file. @returns its mount */
function writeLayer(path: string, fill: (tree: ErofsTree) => void): Mount {
  const tree = new ErofsTree();
  fill(tree);
  const layout = layOut(tree, METADATA_OFFSET);
  const image = Buffer.alloc(METADATA_OFFSET + layout.length);
  encodeSuperblock({
    ...layout,
    uuid: new Uint8Array(16),
    blocks: image.length / BLOCK_BYTES,
  }).copy(image, SUPERBLOCK_OFFSET);
  image.write(CONTENT, CONTENT_OFFSET);
  let at = METADATA_OFFSET;
  for (const piece of writeMetadata(layout)) {
    image.set(piece, at);
    at += piece.length;
  }
  writeFileSync(path, image);
  return { type: 'erofs', source: path, options: ['ro'] };
}
