import type { Digest } from './digest.js';
import type { Platform } from './platform.js';

/** What a blob is, and how it is verified (OCI image spec, descriptor.md). */
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: Digest;
  /** Bytes of the blob. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  /** Of a manifest in an index. */
  readonly platform?: Platform | undefined;
  /** Where else the blob may be; never followed unless the caller asks for it (CVE-2020-15157). */
  readonly urls?: readonly string[] | undefined;
}
