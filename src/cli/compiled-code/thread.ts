import type { Script } from 'node:vm';
import { workerData } from 'node:worker_threads';
import { loadChunk } from './load-chunk.js';
import type { ThreadStart } from './threads-with-code.js';

const { path, cachedData, port, answered } = (workerData as { readonly start: ThreadStart }).start;

loadChunk(path, {
  find: () => cachedData,
  add(_, script: Script) {
    port.on('message', () => {
      port.postMessage(script.createCachedData());
      Atomics.store(answered, 0, 1);
      Atomics.notify(answered, 0);
    });
    port.unref();
  },
});
