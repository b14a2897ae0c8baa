import { warmUp } from '../layer/index.js';

/** A module of its own: an `import()` of the entry point would load all of it. */
export function startThreads(): void {
  warmUp();
}
