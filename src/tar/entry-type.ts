import type { EntryType } from './types.js';

/** Types that say how to read the next header, rather than being an entry. */
export type ExtensionType = 'pax' | 'pax-global' | 'gnu-long-name' | 'gnu-long-link';

type HeaderType = EntryType | ExtensionType | 'old-gnu-sparse' | { readonly unsupported: string };

const TYPES: Readonly<Record<string, HeaderType>> = {
  '\0': 'file',
  '0': 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'character-device',
  '4': 'block-device',
  '5': 'directory',
  '6': 'fifo',
  // A contiguous file is a file that asked for contiguous space.
  '7': 'file',
  x: 'pax',
  // Sun's early extended header has the same records.
  X: 'pax',
  g: 'pax-global',
  L: 'gnu-long-name',
  K: 'gnu-long-link',
  S: 'old-gnu-sparse',
  D: { unsupported: 'GNU incremental dump' },
  M: { unsupported: 'multi-volume archive' },
  N: { unsupported: 'old GNU long name' },
  V: { unsupported: 'GNU volume label' },
};

const BY_CODE: readonly HeaderType[] = Array.from({ length: 256 }, (_, code) => {
  const flag = String.fromCharCode(code);
  return TYPES[flag] ?? { unsupported: `type ${JSON.stringify(flag)}` };
});

export function headerType(typeflag: number): HeaderType {
  return BY_CODE[typeflag]!;
}

export function isExtension(type: HeaderType): type is ExtensionType {
  return type === 'pax' || type === 'pax-global' || type === 'gnu-long-name' || type === 'gnu-long-link';
}
