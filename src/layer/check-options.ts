import { OverlayerError } from '../base/errors.js';

/** For callers without a type checker. @throws OverlayerError `InvalidArgument` */
export function checkChoice(option: string, value: string, choices: readonly string[]): void {
  if (choices.includes(value)) return;
  throw new OverlayerError('InvalidArgument', `Unknown ${option} "${value}"`, {
    hint: `choose one of ${choices.join(', ')}`,
  });
}

/** @throws OverlayerError `InvalidArgument` */
export function checkPath(path: string): void {
  if (path === '' || path.includes('\0'))
    throw new OverlayerError('InvalidArgument', `Not a path: ${JSON.stringify(path)}`);
}
