/**
 * The data of a page, as JSON. Text of the image is in the form of `displayPath`. `nodes` has the root, each path that a layer
 * has, and each path of a comparison, in preorder: the parent of a node is the last one before it with a smaller depth.
 */
export interface PageData {
  readonly image: PageImage;
  /** The lowest first. */
  readonly layers: readonly PageLayer[];
  /** Names of paths, each once. */
  readonly names: readonly string[];
  readonly kinds: readonly PageKind[];
  /** One number for each node. */
  readonly nodes: {
    /** Index of `names`. */
    readonly name: readonly number[];
    /** The root has 0. */
    readonly depth: readonly number[];
    /** Index of `kinds`. */
    readonly kind: readonly number[];
    /** Bytes of a file. The last ones that it had, for a path that is not in the image. */
    readonly size: readonly number[];
    /** Seconds, as the difference to the node before. */
    readonly time: readonly number[];
    /** Index of the layer that the entry is from; `NOT_IN_IMAGE` for a path that is not in the image. */
    readonly layer: readonly number[];
  };
  /** Targets of symlinks, and the first name of files for their further names. */
  readonly links: readonly (readonly [node: number, target: string])[];
  /** Paths that have more than one version, or are not in the image: `HISTORY_WORDS` numbers for each version. */
  readonly history: readonly number[];
  readonly waste: readonly PageWaste[];
  readonly comparison: PageComparison | null;
}

interface PageImage {
  readonly name: string;
  readonly digest: string;
  readonly platform: string;
  readonly createdAt: string;
  readonly entries: number;
  readonly size: number;
  readonly layerBytes: number;
  readonly wastedBytes: number;
  readonly efficiency: number;
}

export interface PageLayer {
  readonly digest: string;
  /** '' where the history has none. */
  readonly command: string;
  readonly compressedSize: number;
  readonly fileBytes: number;
  readonly hiddenBytes: number;
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/** What many files have alike. */
export type PageKind = readonly [type: string, mode: number, uid: number, gid: number];

interface PageWaste {
  readonly kind: 'replaced' | 'removed' | 'duplicate' | 'package-cache';
  readonly node: number;
  readonly copies: readonly number[];
  readonly files: number;
  readonly bytes: number;
  readonly layers: readonly number[];
  readonly by: number | null;
}

export interface PageComparison {
  readonly name: string;
  readonly size: number;
  readonly entries: number;
  /** `COMPARISON_WORDS` numbers for each path that the two images do not have alike. */
  readonly changes: readonly number[];
}

export const NOT_IN_IMAGE = -1;

/** Node, layer, what (index of `WHATS`), bytes before, bytes after. */
export const HISTORY_WORDS = 5;
/** Node, what (index of `WHATS`), bytes before, bytes after. */
export const COMPARISON_WORDS = 4;
export const WHATS = ['added', 'changed', 'removed', 'metadata'] as const;
