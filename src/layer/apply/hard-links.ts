import { type Directory, isDirectory, joinPath, statId } from '../../rootfs/directory.js';
import type { FileFinisher } from '../../rootfs/finish-file.js';
import { isWhiteout, statIfThere } from '../../rootfs/lower-layers.js';
import type { Rootfs } from '../../rootfs/rootfs.js';
import { isErrno, type Stat } from '../../system/system.js';
import type { FileFactsLog } from '../manifest/file-facts.js';
import type { Operation } from '../plan/operation.js';
import { describeTarget, linksToDirectory, missesTarget, replacesItsTarget } from './applier-errors.js';
import type { Target } from './target.js';

type HardLink = Operation & { readonly op: 'hardlink' };

/** Makes hard links to files of this layer or of lower ones. */
export class HardLinks {
  readonly #rootfs: Rootfs;
  readonly #target: Target;
  readonly #finisher: FileFinisher;
  readonly #facts: FileFactsLog | undefined;
  readonly #mayMeetWhiteouts: boolean;
  readonly #needsLowers: (what: string) => boolean;

  /**
   * @param options `facts`: collects files that have several names
   *
   * `mayMeetWhiteouts`: the tree may hold overlayfs's whiteouts
   *
   * `needsLowers`: called when a target is missing; returns whether lower layers are still to come
   */
  constructor(
    rootfs: Rootfs,
    target: Target,
    options: {
      readonly finisher: FileFinisher;
      readonly facts: FileFactsLog | undefined;
      readonly mayMeetWhiteouts: boolean;
      readonly needsLowers: (what: string) => boolean;
    },
  ) {
    this.#rootfs = rootfs;
    this.#target = target;
    this.#finisher = options.finisher;
    this.#facts = options.facts;
    this.#mayMeetWhiteouts = options.mayMeetWhiteouts;
    this.#needsLowers = options.needsLowers;
  }

  make(operation: HardLink, parent: Directory): void {
    const { system } = this.#rootfs;
    const [directory, name] = this.#targetOf(operation);
    if (directory === undefined) {
      this.#miss(operation);
      return;
    }
    const link = () => {
      system.link(directory.descriptor, name, parent.descriptor, operation.name);
      this.#facts?.noteLinked(system.statAt(parent.descriptor, operation.name).ino);
    };
    try {
      if (this.#mayMeetWhiteouts && this.#isHidden(directory, name)) this.#miss(operation);
      else link();
    } catch (error) {
      if (isErrno(error, 'ENOENT')) {
        if (!this.#target.findLinkTarget(directory, name)) {
          this.#miss(operation);
          return;
        }
        this.#forgetFacts(directory, name);
        link();
      } else if (isErrno(error, 'EPERM') && isDirectory(system.statAt(directory.descriptor, name))) {
        throw linksToDirectory(operation.linkPath);
      } else throw error;
    }
  }

  /** Whether the link's name already belongs to the same file. */
  isMade(operation: HardLink, parent: Directory, existing: Stat): boolean {
    const [directory, name] = this.#targetOf(operation);
    if (directory === undefined) return false;
    const target = statIfThere(this.#rootfs.system, directory.descriptor, name);
    if (target === undefined) return false;
    if (isDirectory(target)) throw linksToDirectory(operation.linkPath);
    if (`${directory.path}/`.startsWith(`${joinPath(parent, operation.name)}/`))
      throw replacesItsTarget(operation.linkPath);
    return statId(target) === statId(existing);
  }

  #targetOf({ linkPath }: HardLink): readonly [directory: Directory | undefined, name: string] {
    const slash = linkPath.lastIndexOf('/');
    const directory = this.#rootfs.open(slash < 0 ? '' : linkPath.slice(0, slash), 'create-if-in-lowers');
    return [directory, linkPath === '' ? '.' : linkPath.slice(slash + 1)];
  }

  /**
   * Forgets the facts about a file that was copied from a lower layer: it may have the inode of a file that was
   * recorded and removed.
   */
  #forgetFacts(directory: Directory, name: string): void {
    if (this.#facts === undefined) return;
    this.#finisher.finish();
    this.#facts.forget(this.#rootfs.system.statAt(directory.descriptor, name).ino);
  }

  /** A link to a whiteout would be another whiteout. */
  #isHidden(directory: Directory, name: string): boolean {
    const { system } = this.#rootfs;
    return isWhiteout(system, directory.descriptor, name, system.statAt(directory.descriptor, name));
  }

  /** Leaves the link out when a lower layer that is to come may have its target. */
  #miss({ linkPath }: HardLink): void {
    if (!this.#needsLowers(describeTarget(linkPath))) throw missesTarget(linkPath);
  }
}
