import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { isDirectory } from '../../rootfs/directory.js';
import { isOpaqueAt, isWhiteout } from '../../rootfs/lower-layers.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isMark } from '../../rootfs/xattrs.js';
import { S, type System } from '../../system/system.js';
import type { TarHeader } from '../../tar/header-encoder.js';
import { type LowerLayer, type LowerNode, LowerTree, shownRoot } from '../erofs/lower-tree.js';
import type { LayerWriter } from './layer-writer.js';
import { LinkedFiles } from './linked-files.js';
import { describeTreeEntry, haveSameXattrs, imageXattrs, reading, type TreeEntry } from './tree-entry.js';

/** overlayfs's marks of entries whose content is somewhere else (overlayfs.rst). */
const ELSEWHERE = { redirect: 'a directory that was renamed', metacopy: 'a file without its content' };

/**
 * Writes all changes that an overlay's upperdir makes to its lowerdirs; whiteouts and opaque marks get the form of a
 * layer. The time depends on the upperdir alone: of the lower layers only the root is read, and the names of sockets are
 * looked up.
 */
export class UpperdirDiffer {
  readonly #system: System;
  readonly #writer: LayerWriter;
  readonly #lowers: Iterable<LowerLayer>;
  readonly #links = new LinkedFiles<never>();
  /** Path of the uppermost opaque directory that the walk has entered last. */
  #opaque: string | undefined;

  /** @param lowers nearest first */
  constructor(system: System, writer: LayerWriter, lowers: Iterable<LowerLayer>) {
    this.#system = system;
    this.#writer = writer;
    this.#lowers = lowers;
  }

  /** @throws OverlayerError `Unimplemented` for an upperdir of a mount with `redirect_dir` or `metacopy` */
  diff(upper: number): void {
    reading('', () =>
      walkTree(this.#system, upper, (walked) => reading(walked.path, () => this.#visit(walked))),
    );
  }

  #visit(walked: WalkedEntry): boolean {
    const { path, parent, name, stat } = walked;
    if (path !== '' && stat.isMountRoot) return false;
    const xattrs = this.#system.listXattrsAt(parent, name);
    const marks = xattrs.filter(isMark);
    const mayBeWhiteout = marks.length > 0 || (stat.mode & S.IFMT) === S.IFCHR;
    if (mayBeWhiteout && isWhiteout(this.#system, parent, name, stat)) {
      this.#writer.whiteout(path);
      return false;
    }
    if (marks.length > 0) refuseElsewhere(path, marks);
    const entry = describeTreeEntry(this.#system, walked, xattrs);
    if (entry === undefined) {
      // No layer can hold a socket. A lower entry that it replaced is removed.
      if (this.#hidesLower(path)) this.#writer.whiteout(path);
    } else if (isDirectory(stat)) {
      if (path !== '' || this.#isRootChanged(entry)) this.#writer.entry(entry);
      if (marks.length > 0 && isOpaqueAt(this.#system, parent, name)) {
        this.#writer.opaque(path);
        if (!this.#isBelowOpaque(path)) this.#opaque = path;
      }
    } else this.#file(entry);
    return true;
  }

  #isRootChanged({ header }: TreeEntry): boolean {
    const lower = shownRoot(this.#lowers);
    return lower === undefined || !isSameRoot(lower, header);
  }

  #file(entry: TreeEntry): void {
    const file = this.#links.get(entry.walked.stat);
    if (file?.written !== undefined) this.#writer.hardlink(entry, file.written);
    else this.#writer.entry(entry);
    if (file !== undefined) file.written ??= entry.walked.path;
  }

  #hidesLower(path: string): boolean {
    if (this.#isBelowOpaque(path)) return false;
    const lowers = [...this.#lowers];
    return lowers.length > 0 && new LowerTree(lowers).has(path);
  }

  #isBelowOpaque(path: string): boolean {
    return this.#opaque !== undefined && (this.#opaque === '' || path.startsWith(`${this.#opaque}/`));
  }
}

function isSameRoot(lower: LowerNode, header: TarHeader): boolean {
  const { mode, uid, gid, mtimeSec, mtimeNsec } = header;
  return (
    lower.mode === mode &&
    lower.uid === uid &&
    lower.gid === gid &&
    lower.mtimeSec === mtimeSec &&
    lower.mtimeNsec === mtimeNsec &&
    haveSameXattrs(imageXattrs(lower.xattrs()), header.xattrs)
  );
}

function refuseElsewhere(path: string, marks: readonly string[]): void {
  for (const [mark, what] of Object.entries(ELSEWHERE))
    if (marks.some((name) => name.endsWith(`.overlay.${mark}`)))
      throw new OverlayerError(
        'Unimplemented',
        `Cannot read "${displayPath(path)}" from the upperdir: it is ${what}`,
        { entry: path, hint: 'compare the mounted trees, or mount without redirect_dir and metacopy' },
      );
}
