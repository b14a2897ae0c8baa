import {
  DEFAULT_LIMITS,
  type GzipDecoder,
  type Limits,
  parseDigest,
  type ReadLayerOptions,
} from '../../index.js';

/** Options that every command which reads a layer has, as commander gives them. */
export interface ReadFlags extends Partial<Limits> {
  readonly digest?: string;
  readonly diffId?: string;
  readonly digests?: boolean;
  readonly allowEmpty?: true;
  readonly gzip?: GzipDecoder;
  readonly json?: true;
}

/** @throws OverlayerError for a digest that is none */
export function readOptions(flags: ReadFlags): ReadLayerOptions {
  return {
    digest: flags.digest === undefined ? undefined : parseDigest(flags.digest),
    diffID: flags.diffId === undefined ? undefined : parseDigest(flags.diffId),
    digests: flags.digests === false ? 'skip' : undefined,
    limits: Object.fromEntries(Object.entries(flags).filter(([name]) => name in DEFAULT_LIMITS)),
    allowEmpty: flags.allowEmpty,
    gzip: flags.gzip,
  };
}
