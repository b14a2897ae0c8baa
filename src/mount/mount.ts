/**
 * A description of a mount, in the form of containerd's `mount.Mount`. Making one mounts nothing.
 *
 * The kernel reads `\`, `:` and `,` in an overlay's directories as separators: each needs a `\` before it
 * (`escapeLayer`).
 */
export interface Mount {
  /** `overlay`, `bind`, or the name of a file system. */
  readonly type: string;
  readonly source: string;
  /** A path below the directory that the mounts are put on. @default that directory itself */
  readonly target?: string | undefined;
  /** The options as in fstab(5). */
  readonly options: readonly string[];
}
