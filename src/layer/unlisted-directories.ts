import { copyAttributes } from '../rootfs/copy-up.js';
import type { DeferredDirectories } from '../rootfs/deferred-directories.js';
import type { DestinationKind } from '../rootfs/destination.js';
import type { Directory } from '../rootfs/directory.js';
import type { EntryWriter } from '../rootfs/entry-writer.js';
import type { Identity } from '../rootfs/identity.js';
import type { System, Times } from '../system/system.js';
import { imageRoot, type OwnerMap } from './shift-owners.js';

/** Of what no layer says a time: the same for every unpack, so that the same layer gives the same tree. */
const EPOCH: Times = { atimeSec: 0, atimeNsec: 0, mtimeSec: 0, mtimeNsec: 0 };
const IMPLICIT_MODE = 0o755;

/** Gives attributes to directories that the layer has no entry for: those of a lower layer, or those they had. */
export class UnlistedDirectories {
  readonly #system: System;
  readonly #identity: Identity;
  readonly #deferred: DeferredDirectories;
  readonly #writer: EntryWriter;
  readonly #owners: OwnerMap | undefined;

  constructor(
    system: System,
    options: {
      readonly identity: Identity;
      readonly deferred: DeferredDirectories;
      readonly writer: EntryWriter;
      readonly owners: OwnerMap | undefined;
    },
  ) {
    this.#system = system;
    this.#identity = options.identity;
    this.#deferred = options.deferred;
    this.#writer = options.writer;
    this.#owners = options.owners;
  }

  /** @param like the lower layer's directory; undefined where there is none */
  made({ descriptor, id, path, stat: { gid: givenGid } }: Directory, like: number | undefined): void {
    if (like !== undefined) {
      const stat = this.#system.stat(like);
      copyAttributes(this.#system, like, descriptor, stat);
      this.#writer.meet(descriptor);
      this.#deferred.setImplicit(id, path, stat);
      return;
    }
    const { uid, gid } = this.#owners === undefined ? this.#identity : imageRoot(this.#owners);
    if (this.#owners !== undefined || givenGid !== gid) this.#system.chown(descriptor, uid, gid);
    this.#system.chmod(descriptor, IMPLICIT_MODE);
    this.#deferred.setImplicit(id, path, EPOCH);
  }

  /** What the root is if the layer has no entry for it: as in the layer below, or as it was. */
  beginRoot(root: Directory, destination: DestinationKind, lower: number | undefined): void {
    if (destination === 'merge' || (destination === 'empty' && lower === undefined)) {
      this.met(root);
      return;
    }
    const like = lower === undefined ? undefined : this.#system.stat(lower);
    if (lower !== undefined && like !== undefined) copyAttributes(this.#system, lower, root.descriptor, like);
    this.#writer.meet(root.descriptor);
    this.#deferred.setImplicit(root.id, '', like ?? EPOCH, (like?.mode ?? IMPLICIT_MODE) & 0o7777);
    if (destination === 'new') this.#system.chmod(root.descriptor, root.stat.mode & 0o7777);
  }

  /** One that was there before: writing into it leaves it as it was. */
  met({ id, path, stat, descriptor }: Directory): void {
    if (this.#deferred.has(id)) return;
    this.#writer.meet(descriptor);
    // Without privileges, a directory that refuses its owner has to let us in while the work goes on.
    const shut = this.#identity.uid !== 0 && stat.uid === this.#identity.uid && (stat.mode & 0o700) !== 0o700;
    if (shut) this.#system.chmod(descriptor, (stat.mode | 0o700) & 0o7777);
    this.#deferred.setImplicit(id, path, stat, shut ? stat.mode & 0o7777 : undefined);
  }
}
