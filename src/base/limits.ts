import { OverlayerError } from './errors.js';

/**
 * Bounds on the work that an archive causes. They are always on. A layer that exceeds one fails with `ResourceExhausted`, and
 * its files are removed.
 */
export interface Limits {
  /** Bytes of the uncompressed archive. @default 64 GiB */
  readonly maxBytes: number;
  /** Uncompressed bytes for each compressed byte. Checked after the first 64 MiB. @default 1000 */
  readonly maxRatio: number;
  /** Bytes of zstd's window, which decompression keeps in memory. @default 256 MiB (`zstd --long=28`) */
  readonly maxWindow: number;
  /** Entries of the archive and global headers together. @default 2,000,000 */
  readonly maxEntries: number;
  /** Bytes of an entry's name or link target. @default 4096 (the kernel's PATH_MAX) */
  readonly maxPathLength: number;
  /** Components of an entry's name. @default 256 */
  readonly maxPathDepth: number;
  /** Bytes of one PAX or GNU extension header with its sparse map, and of all global headers together. @default 1 MiB */
  readonly maxHeaderBytes: number;
  /** Bytes of one entry's extended attributes, names and values together. @default 256 KiB */
  readonly maxXattrBytes: number;
  /**
   * Calls to the kernel for each entry, on average. Each lower layer adds an eighth to it. Checked after the first 262,144
   * calls. @default 64
   */
  readonly maxWork: number;
  /** Bytes of memory for facts about entries that are needed until the last entry. @default 512 MiB */
  readonly maxMemory: number;
}

/** The limits that hold where the caller gives none. */
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

/** A legitimate stream may begin with many zeros: its ratio is not checked before this many bytes. */
export const RATIO_GRACE_BYTES = 64 * 1024 ** 2;

/** @throws OverlayerError `InvalidArgument`: an unknown limit, or one that is not a positive number */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  if (typeof limits !== 'object' || limits === null)
    throw new OverlayerError('InvalidArgument', `The limits are ${limits}, not an object`, {
      option: 'limits',
    });
  const resolved: Record<string, number> = { ...DEFAULT_LIMITS };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    if (!Object.hasOwn(DEFAULT_LIMITS, name))
      throw new OverlayerError('InvalidArgument', `Unknown limit "${name}"`);
    if (typeof value !== 'number' || !(value > 0))
      throw new OverlayerError('InvalidArgument', `Limit ${name} is not a positive number: ${value}`, {
        option: name,
      });
    resolved[name] = value;
  }
  return resolved as unknown as Limits;
}

export function limitError(
  name: keyof Limits,
  limit: number,
  where: { readonly entry?: string | undefined; readonly offset?: number | undefined } = {},
): OverlayerError {
  return new OverlayerError('ResourceExhausted', `Layer exceeds the limit ${name} of ${limit}`, {
    ...where,
    option: name,
    hint: `raise ${name} if you trust this layer`,
  });
}
