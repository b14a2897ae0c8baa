import { OverlayerError } from '../../base/errors.js';
import { displayPath } from '../../base/path-bytes.js';
import { isDirectory } from '../../rootfs/directory.js';
import { isOpaqueAt, isWhiteout, lookupLower } from '../../rootfs/lower-layers.js';
import { NO_EVENTS, Rootfs } from '../../rootfs/rootfs.js';
import { type WalkedEntry, walkTree } from '../../rootfs/trees/walk-tree.js';
import { isMark } from '../../rootfs/xattrs.js';
import { S, type System } from '../../system/system.js';
import type { LayerWriter } from './layer-writer.js';
import { LinkedFiles } from './linked-files.js';
import { describeTreeEntry, isListedAlike, reading, type TreeEntry } from './tree-entry.js';

/** overlayfs's marks of entries whose content is somewhere else (overlayfs.rst). */
const ELSEWHERE = { redirect: 'a directory that was renamed', metacopy: 'a file without its content' };

/**
 * Writes all changes that an overlay's upperdir makes to its lowerdirs; whiteouts and opaque marks get the form of a
 * layer. The time depends on the upperdir alone, not on the lower layers.
 */
export class UpperdirDiffer {
  readonly #system: System;
  readonly #writer: LayerWriter;
  readonly #links = new LinkedFiles<never>();

  constructor(system: System, writer: LayerWriter) {
    this.#system = system;
    this.#writer = writer;
  }

  /**
   * @param lowers nearest first. `unread`: there may be any, so a socket always leaves a whiteout
   * @throws OverlayerError `Unimplemented` for an upperdir of a mount with `redirect_dir` or `metacopy`
   */
  diff(lowers: readonly number[] | 'unread', upper: number): void {
    reading('', () => {
      const isRead = lowers !== 'unread';
      const rootfs = new Rootfs(this.#system, upper, isRead ? lowers : [], NO_EVENTS);
      const mayHide = (walked: WalkedEntry) => !isRead || this.#hidesLower(walked, rootfs);
      try {
        walkTree(this.#system, upper, (walked) =>
          reading(walked.path, () => this.#visit(walked, rootfs, mayHide)),
        );
      } finally {
        rootfs.close();
      }
    });
  }

  #visit(walked: WalkedEntry, rootfs: Rootfs, mayHide: (walked: WalkedEntry) => boolean): boolean {
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
      if (mayHide(walked)) this.#writer.whiteout(path);
    } else if (isDirectory(stat)) {
      if (path !== '' || this.#isRootChanged(entry, rootfs)) this.#writer.entry(entry);
      if (marks.length > 0 && isOpaqueAt(this.#system, parent, name)) this.#writer.opaque(path);
    } else this.#file(entry);
    return true;
  }

  #isRootChanged(entry: TreeEntry, { root: { lowers } }: Rootfs): boolean {
    const [nearest] = lowers;
    if (nearest === undefined) return true;
    const walked = { path: '', parent: nearest, name: '.', stat: this.#system.stat(nearest) };
    return !isListedAlike(describeTreeEntry(this.#system, walked)!, entry);
  }

  #file(entry: TreeEntry): void {
    const file = this.#links.get(entry.walked.stat);
    if (file?.written !== undefined) this.#writer.hardlink(entry, file.written);
    else this.#writer.entry(entry);
    if (file !== undefined) file.written ??= entry.walked.path;
  }

  #hidesLower({ path, name }: WalkedEntry, rootfs: Rootfs): boolean {
    const directory = rootfs.open(path.slice(0, -name.length - 1), 'leave');
    const lower = directory && lookupLower(this.#system, directory.lowers, name);
    if (lower?.kind === 'directory')
      for (const descriptor of lower.descriptors) this.#system.close(descriptor);
    return lower !== undefined;
  }
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
