import { type LayerSource, OverlayerError } from '../../index.js';

/**
 * A layer as the command line names it: a file, or `-` for standard input.
 * @throws OverlayerError `InvalidArgument` where standard input is a keyboard
 */
export function openLayer(argument: string): {
  readonly source: string | NodeJS.ReadStream;
  readonly name: string;
} {
  if (argument !== '-') return { source: argument, name: argument };
  if (process.stdin.isTTY)
    throw new OverlayerError('InvalidArgument', 'Standard input is a terminal', {
      hint: 'pipe a layer into it',
    });
  return { source: process.stdin, name: 'standard input' };
}

/** An open standard input would keep the process from ending after a failure. */
export function closeLayer(source: LayerSource): void {
  if (source === process.stdin) process.stdin.destroy();
}
