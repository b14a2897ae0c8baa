import { execFileSync } from 'node:child_process';
import { openSnapshotter, unpackSnapshot } from '../../../src/index.js';
import type { BackendName } from '../../helpers/backends.js';
import { onRecordSteps, type RecordStep } from './record-steps.js';

export interface CommitInSteps {
  readonly root: string;
  readonly backend: BackendName;
  readonly layer: string;
  /** Where the process is killed. */
  readonly killAt?: RecordStep | undefined;
  /** A disk whose file is copied at each step: what a power cut would leave. */
  readonly disk?: string | undefined;
}

const { root, backend, layer, killAt, disk } = JSON.parse(process.argv[2]!) as CommitInSteps;

const cut = (step: string) => {
  if (disk !== undefined) execFileSync('cp', ['--reflink=always', disk, `${disk}-${step.replace(' ', '-')}`]);
};

const snapshots = await openSnapshotter({ root, backend });
onRecordSteps((step) => {
  if (step === killAt) process.kill(process.pid, 'SIGKILL');
  cut(step);
});
await unpackSnapshot(snapshots, layer, { name: 'layer' });
cut('committed');
await snapshots.close();
