/** Things in a layer that are legal but worth knowing. */
export type AnomalyKind =
  | 'setuid'
  | 'setgid'
  | 'device'
  | 'world-writable'
  /** A symlink to an absolute path: legal, it resolves inside the root file system. */
  | 'absolute-link'
  /** A relative symlink with more `..` than it has parents. */
  | 'link-leaves-root'
  /** A name with `.`, `..`, `//` or a leading `/`. The cleaned name is used. */
  | 'non-canonical-name'
  | 'name-not-utf8'
  /** A second entry for a path. The later entry is used. The image spec forbids it, but tools write it. */
  | 'duplicate'
  /** A `trusted.overlay.*` or `user.overlay.*` attribute of the image. It is stored under an escaped name. */
  | 'overlay-xattr'
  /** A name of AUFS's metadata, such as `.wh..wh.plnk`. It is ignored. */
  | 'aufs-metadata'
  /**
   * An extended attribute that belongs to the host (`security.selinux`), or that the process may not set. It is left
   * out.
   */
  | 'xattr-skipped'
  /** A device or fifo that the process may not make without privileges. It still replaces what had its name. */
  | 'device-skipped'
  /** A character device 0:0. overlayfs would take it for a whiteout, so it is ignored. */
  | 'forged-whiteout'
  /**
   * A whiteout in attribute form, since the process may not make devices. Mounts cannot remove or rename its
   * directory.
   */
  | 'whiteout-as-attribute'
  /** A setuid or setgid bit of a file whose owner could not be set. The file does not get the bit. */
  | 'setuid-skipped'
  | 'setgid-skipped'
  /**
   * An owner that was left out: without privileges every file belongs to the caller, who stands for the image's root.
   */
  | 'ownership-ignored'
  /** The archive ends without its end marker, as some tools write it. */
  | 'no-end-marker'
  /** Bytes other than zeros after the end of the archive. They count in the diffID. */
  | 'data-after-archive'
  /** Zeros after the gzip stream. They count in the digest. */
  | 'data-after-stream';

/** One occurrence of something legal but remarkable in a layer. */
export interface Anomaly {
  readonly kind: AnomalyKind;
  /** Name of the entry; undefined when it is about the stream. */
  readonly entry: string | undefined;
  /** Offset of the entry's first byte in the uncompressed archive. */
  readonly offset: number | undefined;
  readonly detail?: string | undefined;
}

/** All anomalies of one kind: their number and the first few of them. A hostile layer can't fill memory with them. */
export interface AnomalySummary {
  readonly kind: AnomalyKind;
  readonly count: number;
  /** The first `ANOMALY_EXAMPLES` at most. */
  readonly examples: readonly Anomaly[];
}

const ANOMALY_EXAMPLES = 20;

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
