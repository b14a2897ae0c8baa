import { checkArgument, checkList } from '../base/check-arguments.js';

/**
 * A description of a mount, in the form of containerd's `mount.Mount`. Making one mounts nothing.
 *
 * The kernel reads `\`, `:` and `,` in an overlay's directories as separators: each needs a `\` before it
 * (`escapeLayer`).
 *
 * A list of mounts may have the form of containerd's mount manager (containerd 2.2). A mount whose type begins with
 * `format/` has templates in its fields, which stand for earlier mounts of the list. All mounts before the last one
 * with templates are only parts of it: they are not put on the target.
 *
 * - `{{ mount N }}`: the place of mount N, counted from 0
 * - `{{ overlay A B }}`: the places of the mounts from A to B, separated by colons; from B to A if A is larger
 * - `{{ source N }}`, `{{ target N }}`: that field of mount N
 * - `{{"{{"}}`: the text `{{`
 */
export interface Mount {
  /** `overlay`, `bind`, or the name of a file system; `format/` before it says that it has templates. */
  readonly type: string;
  readonly source: string;
  /** A path below the directory that the mounts are put on. @default that directory itself */
  readonly target?: string | undefined;
  /** The options as in fstab(5). */
  readonly options: readonly string[];
  /**
   * Of an `erofs` mount: a directory in which `mountAll` keeps the file mounted as long as mounts use it, so that they
   * share one page cache. Its path has no symlinks, and only root may look into it. Other programs may ignore it.
   */
  readonly sharedIn?: string | undefined;
}

/** @throws OverlayerError `InvalidArgument` for what is no list of mounts */
export function checkMounts(argument: string, mounts: unknown): void {
  checkList(argument, mounts);
  for (const [index, mount] of (mounts as readonly unknown[]).entries()) {
    const name = `${argument}[${index}]`;
    checkArgument(name, mount, 'object');
    const { type, source, options } = mount as Mount;
    checkArgument(`${name}.type`, type, 'string');
    checkArgument(`${name}.source`, source, 'string');
    checkArgument(`${name}.options`, options, 'strings');
  }
}
