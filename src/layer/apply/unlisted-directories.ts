import type { DestinationKind } from '../../rootfs/destination.js';
import type { Directory } from '../../rootfs/directory.js';
import type { Identity } from '../../rootfs/identity.js';
import type { KeptDirectories } from '../../rootfs/kept-directories.js';
import { copyAttributes, type OnRefusedOwner } from '../../rootfs/trees/copy-up.js';
import type { System, Times } from '../../system/system.js';
import { imageRoot, type OwnerMap } from './shift-owners.js';

/** Times of directories that no layer lists. They are fixed, so that unpacking a layer always gives the same tree. */
const EPOCH: Times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 };
const IMPLICIT_MODE = 0o755;

/** Gives attributes to directories that the layer does not list: those of the lower directory, or their own. */
export class UnlistedDirectories {
  readonly #system: System;
  readonly #identity: Identity;
  readonly #directories: KeptDirectories;
  readonly #owners: OwnerMap | undefined;
  readonly #onRefusedOwner: OnRefusedOwner;

  constructor(
    system: System,
    options: {
      readonly identity: Identity;
      readonly directories: KeptDirectories;
      readonly owners: OwnerMap | undefined;
      readonly onRefusedOwner: OnRefusedOwner;
    },
  ) {
    this.#system = system;
    this.#identity = options.identity;
    this.#directories = options.directories;
    this.#owners = options.owners;
    this.#onRefusedOwner = options.onRefusedOwner;
  }

  /** @param like the lower layer's directory; undefined when there is none */
  made({ descriptor, stat: { gid: givenGid } }: Directory, like: number | undefined): void {
    if (like !== undefined) {
      const stat = this.#system.stat(like);
      copyAttributes(this.#system, like, descriptor, stat, this.#onRefusedOwner);
      this.#system.setTimes(descriptor, stat);
      return;
    }
    const { uid, gid } = this.#owners === undefined ? this.#identity : imageRoot(this.#owners);
    if (this.#owners !== undefined || givenGid !== gid) this.#system.chown(descriptor, uid, gid);
    this.#system.chmod(descriptor, IMPLICIT_MODE);
    this.#system.setTimes(descriptor, EPOCH);
  }

  /**
   * Gives the root attributes for a layer that does not list it: those of the layer below, or its own. A new root is
   * closed to other users until the layer is complete.
   */
  beginRoot(root: Directory, destination: DestinationKind, lower: number | undefined): void {
    const system = this.#system;
    const { descriptor } = root;
    const isNew = destination === 'new';
    let mode = isNew ? IMPLICIT_MODE : root.stat.mode;
    if (lower !== undefined && destination !== 'merge') {
      const like = system.stat(lower);
      copyAttributes(system, lower, descriptor, like, this.#onRefusedOwner);
      system.setTimes(descriptor, like);
      ({ mode } = like);
    } else if (isNew) system.setTimes(descriptor, EPOCH);
    this.#directories.opened({ ...root, stat: { ...system.stat(descriptor), mode } }, isNew);
  }
}
