import { OverlayerError } from '../../base/errors.js';
import type { ManifestEnd } from '../../layer/manifest/manifest-entry.js';
import { readManifest, verifyManifest } from '../../layer/manifest/read-manifest.js';
import { type TreeDamage, verifyTree } from '../../layer/manifest/verify-tree.js';
import type { DiffID } from '../../oci/digest.js';
import { withDirectory } from '../../rootfs/directory.js';
import type { System } from '../../system/system.js';

/** Progress of a thread that verifies a tree, in memory that the caller's thread reads. */
export class VerifyCounts {
  readonly memory: SharedArrayBuffer;
  readonly #counts: Float64Array;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(16)) {
    this.memory = memory;
    this.#counts = new Float64Array(memory);
  }

  readonly count = (entries: number, bytes: number): void => {
    this.#counts[0]! += entries;
    this.#counts[1]! += bytes;
  };

  get entries(): number {
    return this.#counts[0]!;
  }

  /** Bytes of files that were read. */
  get bytes(): number {
    return this.#counts[1]!;
  }
}

export interface VerifyRequest {
  readonly tree: string;
  readonly manifest: string;
  readonly content: boolean;
  readonly counts: SharedArrayBuffer;
}

export interface VerifyResult {
  readonly damage: readonly TreeDamage[];
  /** A sentence that says what is wrong with the manifest. The tree can't be checked then. */
  readonly manifestDamage: string | undefined;
  readonly diffID: DiffID | undefined;
}

/** Verifies a tree by its manifest. A tree thread runs it. */
export function verifySnapshot(system: System, request: VerifyRequest): VerifyResult {
  let end: ManifestEnd;
  try {
    end = verifyManifest(request.manifest);
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    return { damage: [], manifestDamage: error.message, diffID: undefined };
  }
  const { count } = new VerifyCounts(request.counts);
  const damage = verifyPath(system, request.tree, request.manifest, request.content, count);
  return { damage, manifestDamage: undefined, diffID: end.diffID as DiffID | undefined };
}

export function verifyPath(
  system: System,
  tree: string,
  manifest: string,
  content: boolean,
  progress?: (entries: number, bytes: number) => void,
): TreeDamage[] {
  return withDirectory(system, tree, (root) =>
    verifyTree(system, root, readManifest(manifest), { content, progress }),
  );
}
