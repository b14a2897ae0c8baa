import { type Limits, limitError } from '../base/limits.js';
import { decodePath } from '../base/path-bytes.js';
import type { ExtensionType } from './entry-type.js';
import { type Extension, mergeExtensions, readPaxHeader } from './extension.js';
import { HeaderError } from './header.js';
import { PaxError } from './pax.js';

/** All that the headers in front of an entry say of it. */
export interface Said {
  /** Where the first of them begins. */
  readonly offset: number;
  readonly pax: Extension;
  readonly longName: string | undefined;
  readonly longLink: string | undefined;
}

const NOTHING: Extension = {};

/**
 * The extended headers in front of an entry. They may not come in ways that readers of tar take differently:
 * two PAX headers, PAX beside GNU long names, a long name twice (CVE-2025-62518 and its kin).
 */
export class HeaderChain {
  readonly #limits: Limits;
  readonly #global: Extension = {};
  #hasGlobal = false;
  #offset = 0;
  #begun = false;
  #pax: Extension | undefined;
  #longName: string | undefined;
  #longLink: string | undefined;
  #type: ExtensionType = 'pax';
  #body = Buffer.alloc(0);
  #fill = 0;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  /** Headers have come, and their entry has not. */
  get begun(): boolean {
    return this.#begun;
  }

  get offset(): number {
    return this.#offset;
  }

  /** A header stands at `offset`: the chain's first, or one more. */
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
    if (size > this.#limits.maxHeaderBytes)
      throw limitError('maxHeaderBytes', this.#limits.maxHeaderBytes, { offset: this.#offset });
    this.#type = type;
    this.#body = Buffer.alloc(size);
    this.#fill = 0;
  }

  /** @returns bytes taken */
  take(input: Buffer, start: number, end: number): number {
    const taken = input.copy(this.#body, this.#fill, start, end);
    this.#fill += taken;
    return taken;
  }

  get complete(): boolean {
    return this.#fill === this.#body.length;
  }

  endExtension(): void {
    const kind = this.#type;
    switch (kind) {
      case 'pax':
        this.#pax = {};
        readPaxHeader(this.#body, this.#pax, this.#limits.maxXattrBytes);
        return;
      case 'pax-global':
        this.#readGlobal();
        this.#begun = false;
        return;
      case 'gnu-long-name':
        this.#longName = readLongName(this.#body);
        return;
      case 'gnu-long-link':
        this.#longLink = readLongName(this.#body);
        return;
      default:
        kind satisfies never;
    }
  }

  /** The entry has come: the chain begins anew. */
  finish(): Said {
    const local = this.#pax ?? NOTHING;
    const pax = this.#hasGlobal ? mergeExtensions(this.#global, local) : local;
    const said = { offset: this.#offset, pax, longName: this.#longName, longLink: this.#longLink };
    this.#begun = false;
    this.#pax = undefined;
    this.#longName = undefined;
    this.#longLink = undefined;
    return said;
  }

  #readGlobal(): void {
    const said: Extension = {};
    readPaxHeader(this.#body, said, this.#limits.maxXattrBytes);
    const { path, linkPath, size, sparseNumbers, sparseSize } = said;
    if ([path, linkPath, size, sparseNumbers, sparseSize].some((value) => value !== undefined))
      throw new PaxError('global header gives every entry the same name or size');
    Object.assign(this.#global, mergeExtensions(this.#global, said));
    this.#hasGlobal = true;
  }
}

function readLongName(body: Buffer): string {
  const nul = body.indexOf(0);
  const name = decodePath(nul < 0 ? body : body.subarray(0, nul));
  if (name === '') throw new HeaderError('GNU long name is empty');
  return name;
}
