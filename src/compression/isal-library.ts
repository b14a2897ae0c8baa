import { type Koffi, loadKoffi } from '../base/natives.js';

const NAME = 'libisal.so.2';

/** Intel's ISA-L. Its functions take addresses as numbers. */
export interface IsalLibrary {
  readonly address: Koffi['address'];
  /** @throws when the library has no such function */
  func<F>(signature: string): F;
}

/**
 * @param bind finds the functions, and may test them
 * @returns what `bind` returns; undefined where ISA-L or koffi is not installed, or `bind` throws. zlib takes its place
 */
export function bindIsal<T>(bind: (library: IsalLibrary) => T | undefined): T | undefined {
  try {
    const koffi = loadKoffi();
    const library = koffi.load(NAME);
    return bind({
      address: koffi.address,
      func: <F>(signature: string) => library.func(signature) as F,
    });
  } catch {
    return undefined;
  }
}
