import { OverlayerError } from '../../base/errors.js';
import { inContext } from '../../base/in-context.js';

/** What fails inside of a file of images says which one it is. */
export async function explained<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!OverlayerError.is(error)) throw error;
    throw explain(path, error);
  }
}

/** The same failure, with the file of images that it is about. */
export function explain(path: string, cause: OverlayerError): OverlayerError {
  return inContext(`Cannot read images of "${path}"`, cause);
}
