import { OverlayerError } from '../../base/errors.js';
import type { KeptMounts } from '../../mount/kept-mounts.js';
import type { Mount } from '../../mount/mount.js';
import { isIdMap, parseMountOptions, splitOption } from '../../mount/mount-options.js';
import { escapeLayer, overlayLayers } from '../../mount/overlay-layers.js';
import { countParts, escapeTemplate, fillTemplates } from '../../mount/templates.js';
import type { CallingContainerd } from '../containerd/calling-containerd.js';

/**
 * Mounts in the form that the caller can make.
 *
 * containerd up to 2.1 and Docker make only overlays and bind mounts. The daemon therefore mounts layers that are EROFS
 * files itself, and answers with their directories. Later versions of containerd can mount the files (mount templates),
 * but each container gets mounts of its own, with a page cache of its own: 54 MB more for a second container that reads
 * 50 MB. They get templates only where they can't see the daemon's mounts.
 */
export class CallerMounts {
  readonly #kept: KeptMounts;
  readonly #containerd: CallingContainerd;

  constructor(kept: KeptMounts, containerd: CallingContainerd) {
    this.#kept = kept;
    this.#containerd = containerd;
  }

  /**
   * Turns the mounts of a snapshot into those for the caller.
   *
   * @throws OverlayerError as `mountAll`; `FailedPrecondition`: containerd does not see the daemon's mounts
   */
  async convert(mounts: readonly Mount[]): Promise<readonly Mount[]> {
    const last = mounts.at(-1);
    const parts = last?.type === 'erofs' ? mounts : mounts.slice(0, countParts(mounts));
    if (last === undefined || parts.length === 0) return mounts;
    const places = await this.#kept.hold(parts.map(withoutIdMap));
    if (!this.#containerd.sees(places[0]!)) {
      if (await this.#containerd.takesTemplates()) return mounts;
      throw new OverlayerError(
        'FailedPrecondition',
        `containerd does not see the layers that overlayer mounts, such as "${places[0]}"`,
        {
          hint: 'run overlayer in the mount namespace of containerd: systemd makes another one for options such as ProtectSystem=',
        },
      );
    }
    if (parts === mounts)
      return [{ type: 'bind', source: places.at(-1)!, options: [...idMapOf(last), 'ro', 'rbind'] }];
    const earlier = parts.map((mount, at) => ({ mount, place: places[at]! }));
    return [fillTemplates(last, earlier)];
  }

  /** Turns mounts that the caller got from `convert` back into those of the snapshot. Others stay as they are. */
  restore(mounts: readonly Mount[]): readonly Mount[] {
    const [mount] = mounts;
    if (mount === undefined || mounts.length > 1) return mounts;
    const file = this.#kept.fileAt(mount.source);
    if (file !== undefined) return [{ type: 'erofs', source: file, options: [...idMapOf(mount), 'ro'] }];
    if (mount.type !== 'overlay') return mounts;
    const parts: Mount[] = [];
    const lowers = overlayLayers(parseMountOptions(mount.type, mount.options).data).lowers.map((lower) => {
      const source = this.#kept.fileAt(lower);
      if (source === undefined) return escapeTemplate(escapeLayer(lower));
      return `{{ mount ${parts.push({ type: 'erofs', source, options: ['ro'] }) - 1} }}`;
    });
    if (parts.length === 0) return mounts;
    const options = mount.options.map((option) =>
      splitOption(option)[0] === 'lowerdir' ? `lowerdir=${lowers.join(':')}` : escapeTemplate(option),
    );
    return [...parts, { ...mount, type: 'format/overlay', options }];
  }

  /** Unmounts the layers that no snapshot has any more. */
  async release(): Promise<void> {
    await this.#kept.sweep();
  }
}

const idMapOf = ({ options }: Mount) => options.filter(isIdMap);

/** The owners of a kept mount are those in the file, because snapshots with other maps share it. */
function withoutIdMap(mount: Mount): Mount {
  return { ...mount, options: mount.options.filter((option) => !isIdMap(option)) };
}
