import { compareWalked, type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isErrno, type System, SystemError } from '../../system/system.js';
import { FileChecksum } from './file-checksum.js';
import { EntryDescriber, type ManifestEnd, type ManifestEntry } from './manifest-entry.js';

/** A difference between a tree and its manifest. */
export interface TreeDamage {
  readonly kind: 'missing' | 'modified' | 'added';
  readonly path: string;
  /** A description of the difference, for people. */
  readonly detail: string;
  /** The entry that should be there; undefined for an added one. */
  readonly expected: ManifestEntry | undefined;
}

interface VerifyTreeOptions {
  /** Whether the content of files is read and compared. */
  readonly content: boolean;
  /** Called with the numbers of entries and of bytes read. An error that it throws ends the work. */
  readonly progress?: ((entries: number, bytes: number) => void) | undefined;
}

/**
 * Compares an open tree with its manifest. Both are read in the same order, so neither is held in memory.
 *
 * @throws OverlayerError `DataLoss` when the manifest is damaged
 */
export function verifyTree(
  system: System,
  root: number,
  manifest: Generator<ManifestEntry, ManifestEnd>,
  { content, progress = () => {} }: VerifyTreeOptions,
): TreeDamage[] {
  const damage: TreeDamage[] = [];
  const describer = new EntryDescriber(system);
  const files = new FileChecksum(system, (bytes) => progress(0, bytes));
  const compare = (walked: WalkedEntry, expected: ManifestEntry): string[] => {
    const found = describer.describe(walked, () => undefined);
    const differences = compareEntries(expected, found);
    if (differences.length > 0 || found.type !== 'file' || !content) return differences;
    return hasContent(files, walked, expected.checksum) ? [] : ['other content'];
  };
  let next = manifest.next();
  const miss = (expected: ManifestEntry) => {
    damage.push({ kind: 'missing', path: expected.path, detail: `a ${expected.type} is missing`, expected });
    next = manifest.next();
  };
  walkTree(system, root, (walked) => {
    progress(1, 0);
    while (!next.done && compareWalked(next.value.path, walked.path) < 0) miss(next.value);
    if (next.done || next.value.path !== walked.path) {
      damage.push({
        kind: 'added',
        path: walked.path,
        detail: 'does not belong to the layer',
        expected: undefined,
      });
      return false;
    }
    const expected = next.value;
    const detail = differences(() => compare(walked, expected)).join(', ');
    if (detail !== '') damage.push({ kind: 'modified', path: walked.path, detail, expected });
    next = manifest.next();
    return true;
  });
  while (!next.done) miss(next.value);
  return damage;
}

function hasContent(
  files: FileChecksum,
  { parent, name, stat }: WalkedEntry,
  checksum: number | undefined,
): boolean {
  try {
    return files.of(parent, name, stat.size) === checksum;
  } catch (error) {
    // A process without privileges cannot read every file (/etc/shadow may have mode 0000).
    if (isErrno(error, 'EACCES')) return true;
    throw error;
  }
}

/** A read error is damage. */
function differences(compare: () => string[]): string[] {
  try {
    return compare();
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return [`can't be read (${error.syscall}: ${error.errno})`];
  }
}

function compareEntries(expected: ManifestEntry, found: ManifestEntry): string[] {
  if (expected.type !== found.type) return [`a ${found.type} instead of a ${expected.type}`];
  // Both forms of a whiteout (a device, or a file with an attribute) are the same.
  if (expected.type === 'whiteout') return [];
  const differing = (name: string, wanted: unknown, actual: unknown) =>
    wanted === actual ? [] : [`${name} ${actual} instead of ${wanted}`];
  const size = differing('size', expected.size, found.size);
  const link = differing('link', expected.link, found.link);
  if (expected.type === 'hardlink') return link;
  return [
    ...size,
    ...link,
    ...differing('mode', octal(expected), octal(found)),
    ...differing('owner', `${expected.uid}:${expected.gid}`, `${found.uid}:${found.gid}`),
    ...differing('mtime', time(expected), time(found)),
    ...(expected.xattrs === undefined || expected.xattrs === found.xattrs
      ? []
      : ['other extended attributes']),
  ];
}

function octal({ mode }: ManifestEntry): string {
  return mode.toString(8).padStart(4, '0');
}

function time({ mtimeSec, mtimeNsec }: ManifestEntry): string {
  return `${mtimeSec}.${String(mtimeNsec).padStart(9, '0')}`;
}
