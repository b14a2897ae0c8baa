import { handleJobs, threadData } from '../../base/threads/worker-thread.js';
import { findLinuxSystem } from '../../system/linux.js';
import { applyJobs } from './apply-jobs.js';
import type { ApplyJobs } from './jobs.js';
import { Pipeline, type PipelineMemory } from './pipeline.js';

// The apply thread.

const pipeline = new Pipeline(threadData<PipelineMemory>());
// A plan does not call the kernel, and works where `openLinuxSystem` fails.
const exactModes = findLinuxSystem()?.clearThreadUmask() === false;

handleJobs<ApplyJobs>(
  applyJobs(pipeline, { exactModes }),
  // The other threads would wait for bytes, or for room, that never come.
  () => pipeline.gate.abort(),
);
