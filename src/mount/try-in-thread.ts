import { once } from 'node:events';
import { startWorker } from '../base/start-worker.js';
import type { OverlaySupport } from './overlay-support.js';

/** Tries overlayfs in a mount namespace of a thread's own (`probe-worker.ts`). */
export async function tryInThread(scratch: string): Promise<OverlaySupport> {
  const worker = startWorker(() => new URL('../threads/probe.cjs', import.meta.url), {
    name: 'probe',
    data: scratch,
  });
  const [[support]] = await Promise.all([once(worker, 'message'), once(worker, 'exit')]);
  return support as OverlaySupport;
}
