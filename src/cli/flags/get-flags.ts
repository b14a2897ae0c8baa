import { text } from 'node:stream/consumers';
import {
  type GetImageOptions,
  type OpenRegistryOptions,
  OverlayerError,
  parsePlatform,
} from '../../index.js';
import type { ProgressForm } from '../render/progress/progress.js';

/** Options of the commands that get images, as commander gives them. */
export interface GetFlags {
  readonly platform?: string;
  readonly concurrency?: number;
  readonly discardBlobs?: true;
  readonly progress: ProgressForm;
}

/** Options of the commands that ask registries. */
export interface RegistryFlags {
  readonly plainHttp?: true;
  readonly username?: string;
  readonly passwordStdin?: true;
  readonly hostsDir?: readonly string[];
  readonly minRate?: number;
  readonly deadline?: number;
}

/** @throws OverlayerError `InvalidArgument` for a platform that is none */
export function getOptions({ platform, concurrency, discardBlobs }: GetFlags): GetImageOptions {
  return {
    platform: platform === undefined ? undefined : parsePlatform(platform),
    concurrency,
    keepBlobs: !discardBlobs,
  };
}

/** @throws OverlayerError `InvalidArgument` for a user without a password, or the other way round */
export async function registryOptions({
  plainHttp,
  username,
  passwordStdin,
  hostsDir,
  minRate,
  deadline,
}: RegistryFlags): Promise<OpenRegistryOptions> {
  if ((username === undefined) !== (passwordStdin === undefined))
    throw new OverlayerError('InvalidArgument', '--username and --password-stdin go together');
  const credentials =
    username === undefined
      ? undefined
      : { username, password: (await text(process.stdin)).replace(/\r?\n$/, '') };
  return {
    plainHTTP: plainHttp === true,
    credentials,
    hostsDirectories: hostsDir,
    minBytesPerSecond: minRate,
    deadlineMs: deadline === undefined ? undefined : deadline * 1000,
  };
}
