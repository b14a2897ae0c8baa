import { OverlayerError } from './errors.js';

/**
 * Bounds on what an archive may make us do. They are always on; a layer that passes one fails with
 * `ResourceExhausted` and what it had written goes.
 */
export interface Limits {
  /** Bytes of the uncompressed archive. @default 64 GiB */
  readonly maxBytes: number;
  /** Uncompressed bytes for each compressed byte; looked at once 64 MiB have come out. @default 1000 */
  readonly maxRatio: number;
  /** Bytes of memory that decompressing may refer back to: zstd's window. @default 256 MiB (`zstd --long=28`) */
  readonly maxWindow: number;
  /** Entries of the archive, and its global headers. @default 2,000,000 */
  readonly maxEntries: number;
  /** Bytes of an entry's name or link target. @default 4096 (the kernel's PATH_MAX) */
  readonly maxPathLength: number;
  /** Components of an entry's name. @default 256 */
  readonly maxPathDepth: number;
  /** Bytes of one PAX or GNU extension header, sparse maps included; and of all global headers. @default 1 MiB */
  readonly maxHeaderBytes: number;
  /** Bytes of one entry's extended attributes, names and values together. @default 256 KiB */
  readonly maxXattrBytes: number;
  /**
   * Calls to the kernel for each entry, on average; a lower layer allows an eighth as many more. Looked at once 262,144
   * have been made. @default 64
   */
  readonly maxWork: number;
  /** Bytes of memory for what has to be known of the entries until the last one has come. @default 512 MiB */
  readonly maxMemory: number;
}

export const DEFAULT_LIMITS: Limits = {
  maxBytes: 64 * 1024 ** 3,
  maxRatio: 1000,
  maxWindow: 256 * 1024 ** 2,
  maxEntries: 2_000_000,
  maxPathLength: 4096,
  maxPathDepth: 256,
  maxHeaderBytes: 1024 ** 2,
  maxXattrBytes: 256 * 1024,
  maxWork: 64,
  maxMemory: 512 * 1024 ** 2,
};

/** A legitimate stream may begin with a megabyte of zeros; its ratio says nothing before this many bytes. */
export const RATIO_GRACE_BYTES = 64 * 1024 ** 2;

/** @throws OverlayerError `InvalidArgument` for a limit that is not a positive number */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  const resolved: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(DEFAULT_LIMITS, name))
      throw new OverlayerError('InvalidArgument', `Unknown limit "${name}"`);
    if (typeof value !== 'number' || !(value > 0))
      throw new OverlayerError('InvalidArgument', `Limit ${name} is not a positive number: ${value}`);
    resolved[name] = value;
  }
  return resolved as unknown as Limits;
}

export function limitError(
  name: keyof Limits,
  limit: number,
  where: { readonly entry?: string | undefined; readonly offset?: number | undefined } = {},
): OverlayerError {
  return new OverlayerError('ResourceExhausted', `Layer passes the limit ${name} of ${limit}`, {
    ...where,
    hint: `raise ${name} if you trust this layer`,
  });
}
