import { statSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import {
  DEFAULT_LIMITS,
  type GetImageOptions,
  type Limits,
  type OpenRegistryOptions,
  OverlayerError,
  type Platform,
  parseDigest,
  parsePlatform,
  type ReadLayerOptions,
} from '../index.js';
import { fileFailure, UsageError } from './failure.js';
import type { RegistryFlags } from './flags/fetch-flags.js';
import type { GetFlags } from './flags/image-flags.js';
import type { ReadFlags } from './flags/layer-flags.js';

/** @throws OverlayerError `InvalidArgument` */
export function readOptions(flags: ReadFlags & { readonly digests?: boolean }): ReadLayerOptions {
  return {
    digest: flags.digest === undefined ? undefined : parseDigest(flags.digest),
    diffID: flags.diffId === undefined ? undefined : parseDigest(flags.diffId),
    digests: flags.digests === false ? 'skip' : undefined,
    limits: limitsOf(flags),
    allowEmpty: flags.allowEmpty,
    gzip: flags.gzip,
  };
}

/** The limits among the options, which have the library's names. */
export function limitsOf(flags: object): Partial<Limits> {
  return Object.fromEntries(Object.entries(flags).filter(([name]) => name in DEFAULT_LIMITS));
}

/** @throws OverlayerError `InvalidArgument` */
export function platformOf({ platform }: { readonly platform: string | undefined }): Platform | undefined {
  return platform === undefined ? undefined : parsePlatform(platform);
}

/** @throws OverlayerError `InvalidArgument` */
export function getOptions(flags: GetFlags): GetImageOptions {
  const { concurrency, discardBlobs } = flags;
  return { platform: platformOf(flags), concurrency, keepBlobs: !discardBlobs };
}

/**
 * @throws UsageError for a user without a password, or a password without a user
 * @throws OverlayerError `NotFound`, `InvalidArgument`: a directory of `--hosts-dir`
 */
export async function registryOptions(flags: RegistryFlags): Promise<OpenRegistryOptions> {
  const { plainHttp, username, passwordStdin, hostsDir, minRate, connections, deadline } = flags;
  if ((username === undefined) !== (passwordStdin === undefined))
    throw new UsageError('--username and --password-stdin go together');
  for (const directory of hostsDir ?? []) checkDirectory(directory);
  const credentials =
    username === undefined
      ? undefined
      : { username, password: (await text(process.stdin)).replace(/\r?\n$/, '') };
  return {
    plainHTTP: plainHttp === true,
    credentials,
    hostsDirectories: hostsDir,
    minBytesPerSecond: minRate,
    connections,
    deadlineMs: deadline === undefined ? undefined : deadline * 1000,
  };
}

/** The library ignores a directory that does not exist. Here it is probably a spelling mistake. */
function checkDirectory(path: string): void {
  const what = `Cannot use --hosts-dir "${path}"`;
  let isDirectory: boolean;
  try {
    isDirectory = statSync(path).isDirectory();
  } catch (error) {
    throw fileFailure(error, what);
  }
  if (!isDirectory) throw new OverlayerError('InvalidArgument', `${what}: it is not a directory`);
}
