import { withContext } from '../../src/base/with-context.js';
import type { WorkBudget } from '../../src/base/work-budget.js';
import { DEFAULT_LIMITS, type Limits } from '../../src/index.js';
import { Applier } from '../../src/layer/apply/applier.js';
import type { OwnerMap } from '../../src/layer/apply/shift-owners.js';
import { Destination } from '../../src/rootfs/destination.js';
import { resolveIdentity } from '../../src/rootfs/identity.js';
import { openLinuxSystem } from '../../src/system/linux.js';
import { AT_FDCWD, O, type System } from '../../src/system/system.js';
import { TarDecoder } from '../../src/tar/decoder.js';
import { FaultySystem } from './faulty-system.js';
import { finishAtOnce } from './finish-at-once.js';

export interface Applied {
  readonly layer: Uint8Array;
  /** @default 'directory' */
  readonly target?: 'directory' | 'overlay' | undefined;
  /** @default 'refuse' */
  readonly existing?: 'refuse' | 'merge' | undefined;
  readonly limits?: Partial<Limits> | undefined;
  readonly budget?: WorkBudget | undefined;
  /** Open descriptors, nearest first. */
  readonly lowers?: readonly number[] | undefined;
  readonly owners?: OwnerMap | undefined;
}

/** What the apply thread does, in this one and with another system. */
export function applyLayer(system: System, path: string, applied: Applied): void {
  const { layer, target = 'directory', existing = 'refuse', lowers = [], budget, owners } = applied;
  const limits = { ...DEFAULT_LIMITS, ...applied.limits };
  const destination = Destination.open(system, path, existing);
  try {
    const applier = new Applier(system, destination.descriptor, {
      target,
      identity: resolveIdentity(false),
      limits,
      budget,
      lowers,
      owners,
      destination: destination.kind,
      exactModes: true,
      finisher: finishAtOnce(system),
    });
    try {
      const decoder = new TarDecoder(applier, limits);
      decoder.write(layer);
      decoder.end();
      applier.finish();
    } finally {
      applier.close();
    }
  } catch (error) {
    throw withContext(error, { hint: destination.discard() });
  }
  destination.commit(true);
}

/** How many calls to the kernel that takes. @param lowers paths, nearest first */
export function countCalls(
  path: string,
  applied: Omit<Applied, 'lowers'>,
  lowers: readonly string[] = [],
): number {
  const real = openLinuxSystem();
  const open = lowers.map((lower) => real.openAt(AT_FDCWD, lower, O.RDONLY | O.DIRECTORY, 0));
  const counting = new FaultySystem(real);
  try {
    applyLayer(counting.system, path, { ...applied, lowers: open });
  } finally {
    for (const descriptor of open) real.close(descriptor);
  }
  return [...counting.calls.values()].reduce((sum, calls) => sum + calls, 0);
}
