import { readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { AbortableOptions } from '../../base/abort.js';
import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { runVerifier } from './run-verifier.js';

/** Whether an image may be pulled, and why. */
export interface Judgement {
  readonly ok: boolean;
  readonly reason: string;
}

/** One that judges in this process. What it throws keeps the image out, too. */
export type ImageVerifier = (
  name: string,
  target: Descriptor,
  options: AbortableOptions,
) => Judgement | Promise<Judgement>;

export interface VerifyImageOptions extends AbortableOptions {
  /** An absolute path. Every file in it is a verifier. @default '/opt/containerd/image-verifier/bin' */
  readonly directory?: string | undefined;
  /** How many of them are asked, the first by name; a negative number: all. @default 10 */
  readonly maxVerifiers?: number | undefined;
  /** How long one may take, in milliseconds. @default 10,000 */
  readonly timeoutMs?: number | undefined;
  /** Asked after those of the directory. @default none */
  readonly verifiers?: readonly ImageVerifier[] | undefined;
}

const VERIFY_IMAGE_OPTIONS = {
  signal: true,
  directory: true,
  maxVerifiers: true,
  timeoutMs: true,
  verifiers: true,
} satisfies OptionNames<VerifyImageOptions>;

/**
 * Asks all verifiers, one after the other, until one says no. A directory that is empty, or not there, has no
 * objection.
 *
 * A program is called as containerd does it (plugin `io.containerd.image-verifier.v1.bindir`,
 * docs/image-verification.md): `-name NAME -digest DIGEST -stdin-media-type
 * application/vnd.oci.descriptor.v1+json`, with the target's descriptor on stdin. Exit code 0 means yes, any other no;
 * the reason is what it writes to stdout, 32 KiB of it. What it writes to stderr is shown by `NODE_DEBUG=overlayer`.
 *
 * @param name of the image, canonical: `docker.io/library/debian:12`
 * @param target of its manifest, or its index
 * @throws OverlayerError where one does not judge; then the image is not to be pulled, either
 *   - `FailedPrecondition`: it can't be run, or was killed
 *   - `Unavailable`: it took too long
 *   - `PermissionDenied`: the directory can't be read
 *   - `InvalidArgument`
 * @throws `signal.reason`, and what a function in `verifiers` throws
 */
export async function verifyImage(
  name: string,
  target: Descriptor,
  options: VerifyImageOptions = {},
): Promise<Judgement> {
  checkOptions('verifyImage', options, VERIFY_IMAGE_OPTIONS);
  const {
    directory = '/opt/containerd/image-verifier/bin',
    maxVerifiers = 10,
    timeoutMs = 10_000,
    verifiers = [],
    signal,
  } = options;
  if (!isAbsolute(directory))
    throw new OverlayerError('InvalidArgument', `Not an absolute path of image verifiers: "${directory}"`);
  const reasons: string[] = [];
  const programs = await listPrograms(directory);
  if (programs === undefined) reasons.push(`image verifier directory ${directory} does not exist`);
  else if (programs.length === 0) reasons.push(`no image verifier binaries found in ${directory}`);
  for (const program of programs?.slice(0, maxVerifiers < 0 ? undefined : maxVerifiers) ?? []) {
    const path = join(directory, program);
    const { exitCode, stdout } = await runVerifier(path, name, target, { timeoutMs, signal });
    if (exitCode !== 0) {
      const reason = `verifier ${program} rejected image (exit code ${exitCode}): ${stdout}`;
      return { ok: false, reason };
    }
    reasons.push(`${program} => ${stdout}`);
  }
  for (const verifier of verifiers) {
    signal?.throwIfAborted();
    const judgement = await verifier(name, target, { signal });
    if (!judgement.ok) return judgement;
    reasons.push(judgement.reason);
  }
  return { ok: true, reason: reasons.join(', ') };
}

/** In the order of their names' bytes; undefined where there is no such directory. */
async function listPrograms(directory: string): Promise<string[] | undefined> {
  try {
    const names = await readdir(directory);
    return names.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    const message = `Cannot list the image verifiers in "${directory}"`;
    throw new OverlayerError('PermissionDenied', message, { cause, errno: code });
  }
}
