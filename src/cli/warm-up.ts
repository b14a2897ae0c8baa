import { warmUp } from '../layer/index.js';
import { statIfReadable } from './stat-if-readable.js';

/**
 * Starts the threads that the command will need. A module of its own: an `import()` of the entry point would load all of it.
 *
 * @param args those of the command. The first that is a file is probably its layer
 */
export function startThreads(command: string, args: readonly string[]): void {
  if (args.length === 0 || args.includes('--help') || args.includes('-h')) return;
  // The manifest of an image tells whether it needs threads.
  if (command === 'unpack' && args.some((word) => word.startsWith('docker://'))) return;
  const layer = args.find((path) => statIfReadable(path)?.isFile());
  warmUp(layer, command === 'unpack' ? { thread: 'caller' } : {});
}
