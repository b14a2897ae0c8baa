import { isAscii } from 'node:buffer';
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

/** Long enough for `isAscii` to use the widest registers. */
const TEXT = new Uint8Array(256);

/**
 * Clears the upper halves of the vector registers. ISA-L's CRC leaves them in use (AVX-512), and older instructions of this
 * thread are then slow: sha256 takes 1.3 GB/s instead of 1.8, and two streams at once 1.5 instead of 3.5. Compiled code that
 * uses these registers clears them at its end, as `isAscii` does on every release of Node.js; it takes 20 ns.
 */
export function clearVectorRegisters(): void {
  isAscii(TEXT);
}
