import { checkOptions } from '../../base/check-arguments.js';
import { isDirectory } from '../../base/is-directory.js';
import type { Tell } from '../../base/task.js';
import { findRecord, listRecords, type NamedRecord } from '../../metadata/snapshot-records.js';
import { parseDigest } from '../../oci/digest.js';
import type { VerifyOptions } from '../contents/contents.js';
import { contentsOf } from '../contents/known-contents.js';
import { DIFF_ID_LABEL } from '../labels.js';
import { readRecordFile } from '../store/snapshot-files.js';
import type { SnapshotRoot } from '../store/snapshot-root.js';
import { VerifyCounts } from '../trees/verify-snapshot.js';
import {
  CHECK_OPTIONS,
  type CheckFinding,
  type CheckOptions,
  type CheckProgress,
  type CheckReport,
  isDamage,
  type OpenFinding,
  openFinding,
} from './check-report.js';
import { findLeftovers, pruneLeftovers } from './leftovers.js';
import { repairSnapshot } from './repair-snapshot.js';

const PROGRESS_INTERVAL_MS = 100;

/** Compares metadata, directories and mounts. See `Snapshotter.check`. */
export async function checkSnapshots(
  context: SnapshotRoot,
  options: CheckOptions,
  tell: Tell<CheckProgress>,
): Promise<CheckReport> {
  checkOptions('check', options, CHECK_OPTIONS);
  const { signal, repair, prune = false, dryRun = false } = options;
  signal?.throwIfAborted();
  const check = new Check(context, options);
  const report = () => tell(check.progress, 0);
  const timer = setInterval(report, PROGRESS_INTERVAL_MS);
  try {
    const damage = await check.findDamage();
    signal?.throwIfAborted();
    if (repair !== undefined) await check.repair(damage, repair, dryRun);
    const leftovers = findLeftovers(context);
    if (prune) await pruneLeftovers(context, await leftovers, dryRun);
    const findings: CheckFinding[] = [...damage, ...(await leftovers)];
    return {
      findings,
      unverified: check.unverified,
      damaged: findings.some((finding) => isDamage(finding) && finding.outcome !== 'repaired'),
      ...check.progress,
    };
  } catch (error) {
    if (signal?.aborted) throw signal.reason;
    throw error;
  } finally {
    clearInterval(timer);
    report();
  }
}

class Check {
  readonly counts = new VerifyCounts();
  readonly unverified: string[] = [];
  readonly #context: SnapshotRoot;
  readonly #options: CheckOptions;
  readonly #records: readonly NamedRecord[];
  readonly #shared: VerifyOptions['shared'] = new Map();
  #done = 0;

  constructor(context: SnapshotRoot, options: CheckOptions) {
    this.#context = context;
    this.#options = options;
    this.#records = parentsFirst(context.store.read((transaction) => listRecords(transaction)));
  }

  get progress(): CheckProgress {
    const { entries, bytes } = this.counts;
    return { snapshots: this.#done, totalSnapshots: this.#records.length, entries, bytes };
  }

  async findDamage(): Promise<OpenFinding[]> {
    const found = await Promise.all(
      this.#records.map(async (record) => {
        const findings = await this.#damageOf(record);
        this.#done += 1;
        return findings;
      }),
    );
    return found.flat();
  }

  async #damageOf(record: NamedRecord): Promise<OpenFinding[]> {
    // Findings count only if the snapshot was not removed or committed during the check.
    const isStill = () => {
      const now = this.#context.store.read((transaction) => findRecord(transaction, record.name));
      return now !== undefined && now.id === record.id && now.kind === record.kind;
    };
    try {
      const found = await this.#inspect(record);
      return found.length > 0 && isStill() ? found : [];
    } catch (error) {
      if (isStill()) throw error;
      return [];
    }
  }

  async #inspect(record: NamedRecord): Promise<OpenFinding[]> {
    const { name, parent, kind } = record;
    const directory = this.#context.directories.pathOf(record.id);
    const found: OpenFinding[] = [];
    const layer = labelledDiffID(record);
    const find = (finding: Parameters<typeof openFinding>[0]) =>
      found.push(openFinding({ snapshot: name, parent, diffID: layer, ...finding }));
    if (parent !== undefined && !this.#records.some((other) => other.name === parent))
      find({ kind: 'missing-parent', path: directory, detail: `its parent "${parent}" does not exist` });
    const contents = contentsOf(this.#context.backend);
    const missing = isDirectory(directory)
      ? contents?.missing(directory, kind)
      : `the directory of a ${kind} snapshot is gone`;
    if (missing !== undefined) {
      find({ kind: 'missing-directory', path: directory, detail: missing });
      return found;
    }
    const { quick = false, signal } = this.#options;
    const spare = quick ? undefined : await contents?.verifySpare?.(directory, { signal });
    if (spare !== undefined) find(spare);
    if (kind !== 'committed') return found;
    const recorded = await readRecordFile(directory);
    const wrong = typeof recorded === 'string' ? recorded : this.#compare(recorded, record);
    if (wrong !== undefined) find({ kind: 'record-file', path: `${directory}/record`, detail: wrong });
    const isDescribed = typeof recorded !== 'string' && recorded.manifest;
    const damage = await contents?.verify(directory, {
      ...{ content: !quick, isDescribed, expected: layer, counts: this.counts, shared: this.#shared, signal },
    });
    if (damage === undefined) this.unverified.push(name);
    else for (const { diffID = layer, ...each } of damage) find({ ...each, diffID });
    return found;
  }

  #compare(
    file: Exclude<Awaited<ReturnType<typeof readRecordFile>>, string>,
    record: NamedRecord,
  ): string | undefined {
    const same = file.name === record.name && file.parent === record.parent && file.kind === record.kind;
    return same ? undefined : `its record file is that of ${file.kind} snapshot "${file.name}"`;
  }

  async repair(
    damage: readonly OpenFinding[],
    layerFor: NonNullable<CheckOptions['repair']>,
    dryRun: boolean,
  ): Promise<void> {
    for (const record of this.#records) {
      const findings = damage.filter(({ snapshot }) => snapshot === record.name);
      if (findings.length === 0) continue;
      this.#options.signal?.throwIfAborted();
      await repairSnapshot(this.#context, record, findings, {
        layerFor,
        dryRun,
        signal: this.#options.signal,
      });
    }
  }
}

/** Parents come first, because a snapshot can only be repaired on a sound parent. */
function parentsFirst(records: readonly NamedRecord[]): NamedRecord[] {
  const byName = new Map(records.map((record) => [record.name, record]));
  const ordered = new Set<NamedRecord>();
  for (const record of records) {
    const chain = new Set<NamedRecord>();
    let next: NamedRecord | undefined = record;
    while (next !== undefined && !ordered.has(next) && !chain.has(next)) {
      chain.add(next);
      next = next.parent === undefined ? undefined : byName.get(next.parent);
    }
    for (const each of [...chain].reverse()) ordered.add(each);
  }
  return [...ordered];
}

function labelledDiffID({ labels }: NamedRecord): CheckFinding['diffID'] {
  try {
    const label = labels[DIFF_ID_LABEL];
    return label === undefined ? undefined : parseDigest(label);
  } catch {
    return undefined;
  }
}
