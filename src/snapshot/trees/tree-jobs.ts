import { OverlayerError } from '../../base/errors.js';
import type { JobHandlers } from '../../base/threads/worker-thread.js';
import type { FileFacts } from '../../layer/manifest/file-facts.js';
import type { TreeDamage } from '../../layer/manifest/verify-tree.js';
import { writeManifest } from '../../layer/manifest/write-manifest.js';
import type { SnapshotUsage } from '../../metadata/snapshot-records.js';
import { withDirectory } from '../../rootfs/directory.js';
import { copyTree } from '../../rootfs/trees/copy-tree.js';
import { measureUsage } from '../../rootfs/trees/measure-usage.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { meterSystem } from '../../system/metered-system.js';
import type { System } from '../../system/system.js';
import { type ConvertRequest, convertWhiteouts } from './convert-whiteouts.js';
import { copyRecordedRoot, type InheritRequest, inheritUnlisted } from './inherit-attributes.js';
import { type MendRequest, mendTree } from './mend-tree.js';
import { type VerifyRequest, type VerifyResult, verifySnapshot } from './verify-snapshot.js';

/** A job that the caller can end. */
export interface Stoppable {
  /** Shared memory: the job ends at its next call to the kernel once there is a 1. */
  readonly stop?: Int32Array | undefined;
}

/** Work on whole trees. Threads do it, so that the caller's event loop stays free. */
export interface TreeJobs {
  /** `to` is an empty directory. */
  copy(input: Stoppable & { readonly from: string; readonly to: string }): void;
  measure(input: Stoppable & { readonly directory: string }): SnapshotUsage;
  /**
   * Writes a manifest of a tree. It reads the files that `facts` does not describe.
   *
   * @returns as `writeManifest`
   */
  manifest(
    input: Stoppable & {
      readonly tree: string;
      readonly manifest: string;
      readonly facts?: FileFacts | undefined;
      readonly diffID?: string | undefined;
    },
  ): SnapshotUsage | undefined;
  /** Gives the root of a layer that does not list it the attributes of another layer's root. */
  inherit(input: { readonly from: string; readonly to: string }): void;
  'inherit-unlisted'(input: InheritRequest): void;
  /** Removes trees. Does not cross mounts. Does nothing for a tree that does not exist. */
  remove(input: Stoppable & { readonly parent: string; readonly names: readonly string[] }): void;
  'convert-whiteouts'(input: ConvertRequest): void;
  verify(input: Stoppable & VerifyRequest): VerifyResult;
  mend(input: MendRequest): readonly TreeDamage[];
}

const system = openLinuxSystem();
const stoppableSystem = meterSystem(system, { charge: throwIfStopped, look: throwIfStopped });
let stopOfJob: Int32Array | undefined;

/** The system for a job: without `stop` its calls cost nothing more. */
function systemFor({ stop }: Stoppable): System {
  stopOfJob = stop;
  return stop === undefined ? system : stoppableSystem;
}

function throwIfStopped(): void {
  if (stopOfJob !== undefined && Atomics.load(stopOfJob, 0) === 1)
    throw new OverlayerError('Cancelled', 'The work on a tree was cancelled');
}

export const treeJobs: JobHandlers<TreeJobs> = {
  copy: ({ from, to, ...job }) =>
    doing(`copy "${from}"`, () =>
      withDirectory(system, from, (source) =>
        withDirectory(system, to, (target) => copyTree(systemFor(job), source, target)),
      ),
    ),
  measure: ({ directory, ...job }) =>
    doing(`measure "${directory}"`, () =>
      withDirectory(system, directory, (root) => measureUsage(systemFor(job), root)),
    ),
  manifest: ({ tree, manifest, facts, diffID, ...job }) =>
    doing(`describe "${tree}"`, () =>
      withDirectory(system, tree, (root) => writeManifest(systemFor(job), manifest, { root, facts, diffID })),
    ),
  inherit: ({ from, to }) =>
    doing(`give "${to}" the attributes of "${from}"`, () =>
      withDirectory(system, from, (source) =>
        withDirectory(system, to, (target) => copyRecordedRoot(system, source, target, to)),
      ),
    ),
  'inherit-unlisted': (input) =>
    doing(`give directories of "${input.tree}" the attributes of lower ones`, () =>
      inheritUnlisted(system, input),
    ),
  remove: ({ parent, names, ...job }) =>
    doing(`remove "${parent}/${names.join()}"`, () =>
      withDirectory(system, parent, (directory) => {
        for (const name of names) removeTree(systemFor(job), directory, name);
      }),
    ),
  'convert-whiteouts': (input) =>
    doing(`convert the whiteouts in "${input.tree}"`, () => convertWhiteouts(system, input)),
  verify: (input) => doing(`check "${input.tree}"`, () => verifySnapshot(systemFor(input), input)),
  mend: (input) => doing(`repair "${input.tree}"`, () => mendTree(system, input)),
};

/** @param what completes the error message "Cannot …" */
function doing<T>(what: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw toOverlayerError(error, `Cannot ${what}`);
  }
}
