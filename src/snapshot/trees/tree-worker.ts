import { type MessagePort, parentPort } from 'node:worker_threads';
import { toPlainError } from '../../base/errors.js';
import { beginWork } from '../../base/start-worker.js';
import { writeManifest } from '../../layer/manifest/write-manifest.js';
import { copyTree } from '../../rootfs/trees/copy-tree.js';
import { measureUsage } from '../../rootfs/trees/measure-usage.js';
import { removeTree } from '../../rootfs/trees/remove-tree.js';
import { toOverlayerError } from '../../system/errno-code.js';
import { openLinuxSystem } from '../../system/linux.js';
import { AT_FDCWD, O } from '../../system/system.js';
import { convertWhiteouts } from './convert-whiteouts.js';
import { copyRecordedRoot } from './copy-root.js';
import { inheritUnlisted } from './inherit-unlisted.js';
import { mendTree } from './mend-tree.js';
import type { TreeJob, TreeResponse, TreeResults } from './tree-job.js';
import { verifySnapshot } from './verify-snapshot.js';

const system = openLinuxSystem();
const port = parentPort as MessagePort;

beginWork();
port.on('message', (job: TreeJob) => port.postMessage(respond(job)));

function respond(job: TreeJob): TreeResponse {
  try {
    return { type: 'done', result: carryOut(job) };
  } catch (error) {
    return { type: 'failed', error: toPlainError(toOverlayerError(error, subject(job))) };
  }
}

function carryOut(job: TreeJob): TreeResults[TreeJob['type']] {
  switch (job.type) {
    case 'copy':
      withDirectory(job.from, (from) => withDirectory(job.to, (to) => copyTree(system, from, to)));
      return undefined;
    case 'measure':
      return withDirectory(job.directory, (directory) => measureUsage(system, directory));
    case 'manifest':
      return withDirectory(job.tree, (root) => writeManifest(system, job.manifest, { ...job, root }));
    case 'inherit':
      withDirectory(job.from, (from) =>
        withDirectory(job.to, (to) => copyRecordedRoot(system, from, to, job.to)),
      );
      return undefined;
    case 'inherit-unlisted':
      inheritUnlisted(system, job);
      return undefined;
    case 'remove':
      withDirectory(job.parent, (parent) => removeTree(system, parent, job.name));
      return undefined;
    case 'convert-whiteouts':
      convertWhiteouts(system, job);
      return undefined;
    case 'verify':
      return verifySnapshot(system, job);
    case 'mend':
      return mendTree(system, job);
    default:
      return job satisfies never;
  }
}

function subject(job: TreeJob): string {
  switch (job.type) {
    case 'copy':
      return `Cannot copy "${job.from}"`;
    case 'measure':
      return `Cannot measure "${job.directory}"`;
    case 'manifest':
      return `Cannot describe "${job.tree}"`;
    case 'inherit':
      return `Cannot give "${job.to}" the attributes of "${job.from}"`;
    case 'inherit-unlisted':
      return `Cannot give directories of "${job.tree}" the attributes of lower ones`;
    case 'remove':
      return `Cannot remove "${job.parent}/${job.name}"`;
    case 'convert-whiteouts':
      return `Cannot convert the whiteouts in "${job.tree}"`;
    case 'verify':
      return `Cannot check "${job.tree}"`;
    case 'mend':
      return `Cannot repair "${job.tree}"`;
    default:
      return job satisfies never;
  }
}

function withDirectory<T>(path: string, use: (descriptor: number) => T): T {
  const descriptor = system.openAt(AT_FDCWD, path, O.RDONLY | O.DIRECTORY | O.NONBLOCK, 0);
  try {
    return use(descriptor);
  } finally {
    system.close(descriptor);
  }
}
