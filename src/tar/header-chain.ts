import { type Limits, limitError } from '../base/limits.js';
import { type Extension, readPaxHeader } from './extension.js';
import { HeaderError, readText } from './header.js';
import { PaxError } from './pax.js';
import type { EntryType } from './types.js';

/** Types of headers that extend the next header and are not entries. */
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
  // A contiguous file is read as a regular file.
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

/** The content of all extension headers before an entry. */
export interface Said {
  /** Offset of the first header. */
  readonly offset: number;
  readonly pax: Extension;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

const NOTHING: Extension = {};

/** Fields that a global header may set for all following entries (POSIX). */
type Global = Pick<Extension, (typeof GLOBAL)[number]>;
const GLOBAL = ['uid', 'gid', 'mtime', 'atime'] as const satisfies readonly (keyof Extension)[];

/**
 * The extension headers before an entry. Refuses combinations that tar readers read differently: two PAX headers, PAX with
 * GNU long names, a repeated long name (CVE-2025-62518 and similar).
 */
export class HeaderChain {
  readonly #limits: Limits;
  #global: Global | undefined;
  /** Bytes of all global headers. They need their own bound, since no entry has to follow them. */
  #globalBytes = 0;
  #offset = 0;
  #begun = false;
  #pax: Extension | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #type: ExtensionType = 'pax';
  #size = 0;
  /** Collects a body that arrives in several chunks. */
  #body = Buffer.alloc(0);
  #fill = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Whether headers were read without their entry. */
  get begun(): boolean {
    return this.#begun;
  }

  get offset(): number {
    return this.#offset;
  }

  /** Adds a header at `offset` to the chain. */
  begin(offset: number): void {
    if (this.#begun) return;
    this.#begun = true;
    this.#offset = offset;
  }

  beginExtension(type: ExtensionType, size: number): void {
    const isGnu = type === 'gnu-long-name' || type === 'gnu-long-link';
    const hasGnu = this.#longName !== undefined || this.#longLink !== undefined;
    if (this.#pax !== undefined || (!isGnu && hasGnu))
      throw new HeaderError('two extended headers in a row: readers disagree on which one counts');
    if (
      (type === 'gnu-long-name' ? this.#longName : type === 'gnu-long-link' ? this.#longLink : undefined) !==
      undefined
    )
      throw new HeaderError('two GNU long names in a row: readers disagree on which one counts');
    if (type === 'pax-global') this.#globalBytes += size;
    if (size > this.#limits.maxHeaderBytes || this.#globalBytes > this.#limits.maxHeaderBytes)
      throw limitError('maxHeaderBytes', this.#limits.maxHeaderBytes, { offset: this.#offset });
    this.#type = type;
    this.#size = size;
    this.#fill = 0;
  }

  /** Whether the extension header's body is complete. */
  get complete(): boolean {
    return this.#fill === this.#size;
  }

  /** Reads the available part of the body from `start`. @returns the number of bytes read */
  take(input: Buffer, start: number, end: number): number {
    const taken = Math.min(this.#size - this.#fill, end - start);
    if (taken === this.#size) {
      // The common case: the body is in one chunk and is read in place. A copy costs 1 µs per entry.
      this.#fill = taken;
      this.#read(input, start, start + taken);
      return taken;
    }
    if (this.#fill === 0 && this.#body.length < this.#size) this.#body = Buffer.alloc(this.#size);
    input.copy(this.#body, this.#fill, start, start + taken);
    this.#fill += taken;
    if (this.complete) this.#read(this.#body, 0, this.#size);
    return taken;
  }

  #read(bytes: Buffer, start: number, end: number): void {
    const kind = this.#type;
    switch (kind) {
      case 'pax':
        this.#pax = {};
        readPaxHeader(bytes, start, end, this.#pax, {
          maxXattrBytes: this.#limits.maxXattrBytes,
          offset: this.#offset,
        });
        return;
      case 'pax-global':
        this.#readGlobal(bytes, start, end);
        this.#begun = false;
        return;
      case 'gnu-long-name':
        this.#longName = readLongName(bytes, start, end);
        return;
      case 'gnu-long-link':
        this.#longLink = readLongName(bytes, start, end);
        return;
      default:
        kind satisfies never;
    }
  }

  /** Ends the chain at its entry. */
  finish(): Said {
    const local = this.#pax ?? NOTHING;
    // Local records override global ones.
    const pax = this.#global === undefined ? local : { ...this.#global, ...local };
    const said = { offset: this.#offset, pax, longName: this.#longName, longLink: this.#longLink };
    this.#begun = false;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    return said;
  }

  #readGlobal(bytes: Buffer, start: number, end: number): void {
    const said: Extension = {};
    readPaxHeader(bytes, start, end, said, {
      maxXattrBytes: this.#limits.maxXattrBytes,
      offset: this.#offset,
    });
    const other = Object.keys(said).find((key) => !GLOBAL.some((allowed) => allowed === key));
    if (other !== undefined)
      throw new PaxError('global header gives every entry the same name, size or extended attributes');
    this.#global = { ...this.#global, ...said };
  }
}

function readLongName(bytes: Buffer, start: number, end: number): string {
  const name = readText(bytes, start, end - start);
  if (name === '') throw new HeaderError('GNU long name is empty');
  return name;
}
