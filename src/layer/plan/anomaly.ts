/** Something legal that a careful reader wants to know of. */
export type AnomalyKind =
  | 'setuid'
  | 'setgid'
  | 'device'
  | 'world-writable'
  /** A symlink to an absolute path: legal, it resolves inside the root file system. */
  | 'absolute-link'
  /** A relative symlink with more `..` than it has parents. */
  | 'link-leaves-root'
  /** A name with `.`, `..`, `//` or a leading `/`; the cleaned name is used. */
  | 'non-canonical-name'
  | 'name-not-utf8'
  /** A second entry for a path; the later one stands. The image spec forbids it, tools write it. */
  | 'duplicate'
  /** `trusted.overlay.*` or `user.overlay.*` of the image, stored escaped. */
  | 'overlay-xattr'
  /** A `.wh..wh.` name of AUFS's own, such as `.wh..wh.plnk`: nothing is done for it. */
  | 'aufs-metadata'
  /** An extended attribute that belongs to the host (`security.selinux`) or that may not be set here. */
  | 'xattr-skipped'
  /** A device or fifo that may not be made without privileges. What it replaces is gone all the same. */
  | 'device-skipped'
  /** A character device 0:0: overlayfs would take it for a whiteout, so it is left out, and nothing is done for it. */
  | 'forged-whiteout'
  /**
   * A whiteout that is an attribute, since no device may be made here: in a mount over it the kernel neither removes
   * nor renames the directory that it is in.
   */
  | 'whiteout-as-attribute'
  /** A setuid or setgid bit of somebody who could not be made the owner: the file does not have it. */
  | 'setuid-skipped'
  | 'setgid-skipped'
  /** Without privileges everything belongs to the caller, who stands for the image's root. */
  | 'ownership-ignored'
  /** The archive ends without its end marker, as some writers leave it. */
  | 'no-end-marker'
  /** Bytes other than zeros after the end of the archive; they count in the diffID. */
  | 'data-after-archive'
  /** Zeros after the gzip stream; they count in the digest. */
  | 'data-after-stream';

export interface Anomaly {
  readonly kind: AnomalyKind;
  /** The entry's name, or undefined where it is about the stream. */
  readonly entry: string | undefined;
  /** Where the entry begins, in bytes of the uncompressed archive. */
  readonly offset: number | undefined;
  readonly detail?: string | undefined;
}

/** All anomalies of one kind: how many, and the first few of them, so that a hostile layer can't fill memory. */
export interface AnomalySummary {
  readonly kind: AnomalyKind;
  readonly count: number;
  /** At most `ANOMALY_EXAMPLES`. */
  readonly examples: readonly Anomaly[];
}

export const ANOMALY_EXAMPLES = 20;

export class AnomalyLog {
  readonly #kinds = new Map<AnomalyKind, { count: number; examples: Anomaly[] }>();

  add(anomaly: Anomaly): void {
    const seen = this.#kinds.get(anomaly.kind) ?? { count: 0, examples: [] };
    this.#kinds.set(anomaly.kind, seen);
    seen.count += 1;
    if (seen.examples.length < ANOMALY_EXAMPLES) seen.examples.push(anomaly);
  }

  summary(): AnomalySummary[] {
    return [...this.#kinds].map(([kind, { count, examples }]) => ({ kind, count, examples }));
  }
}
