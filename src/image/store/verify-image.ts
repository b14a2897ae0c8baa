import { type ChildProcess, spawn } from 'node:child_process';
import { constants, open, readdir } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import type { Readable } from 'node:stream';
import { debuglog } from 'node:util';
import type { AbortableOptions } from '../../base/abort.js';
import { checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { platformDocument } from '../../oci/platform.js';

/** Whether an image may be used, and the reason. */
export interface Judgement {
  readonly ok: boolean;
  readonly reason: string;
}

/** A verifier in this process. An error that it throws refuses the image. */
export type ImageVerifier = (
  name: string,
  target: Descriptor,
  options: AbortableOptions,
) => Judgement | Promise<Judgement>;

export interface VerifyImageOptions extends AbortableOptions {
  /** An absolute path. Every file in it is a verifier. @default '/opt/containerd/image-verifier/bin' */
  readonly directory?: string | undefined;
  /** Number of programs to ask, in the order of their names. A negative number means all. @default 10 */
  readonly maxVerifiers?: number | undefined;
  /** Time limit of one program in milliseconds. @default 10,000 */
  readonly timeoutMs?: number | undefined;
  /** Functions to ask after the programs of the directory. @default none */
  readonly verifiers?: readonly ImageVerifier[] | undefined;
}

const VERIFY_IMAGE_OPTIONS = {
  signal: true,
  directory: 'path',
  maxVerifiers: 'number',
  timeoutMs: 'number',
  verifiers: 'list',
} satisfies OptionNames<VerifyImageOptions>;

/**
 * Asks all verifiers in sequence until one refuses the image. An empty or missing directory refuses nothing.
 *
 * A program is called as containerd does it (plugin `io.containerd.image-verifier.v1.bindir`,
 * docs/image-verification.md): `-name NAME -digest DIGEST -stdin-media-type
 * application/vnd.oci.descriptor.v1+json`, with the target's descriptor on stdin. Exit code 0 accepts the image, any
 * other refuses it. The reason is the first 32 KiB of stdout. `NODE_DEBUG=overlayer` shows stderr.
 *
 * @param name of the image, canonical: `docker.io/library/debian:12`
 * @param target the descriptor of its manifest or index
 * @throws OverlayerError when a verifier gives no judgement; do not use the image then
 *   - `FailedPrecondition`: a program can't be run, or was killed
 *   - `Unavailable`: a program exceeded `timeoutMs`
 *   - `PermissionDenied`: the directory can't be read
 *   - `InvalidArgument`: `directory` is not absolute
 * @throws `signal.reason`, and errors of the functions in `verifiers`
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

/** Sorted by the bytes of their names; undefined when the directory does not exist. */
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

const MAX_OUTPUT_BYTES = 32 * 1024;
const debug = debuglog('overlayer');

interface RunVerifierOptions extends AbortableOptions {
  readonly timeoutMs: number;
}

interface VerifierAnswer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** Asks one program, as `verifyImage` says. @throws OverlayerError `FailedPrecondition`, `Unavailable` */
async function runVerifier(
  path: string,
  name: string,
  target: Descriptor,
  { timeoutMs, signal }: RunVerifierOptions,
): Promise<VerifierAnswer> {
  await assertProgram(path).catch((cause) => {
    throw failed(path, cause.message, cause);
  });
  signal?.throwIfAborted();
  const args = ['-name', name, '-digest', target.digest];
  args.push('-stdin-media-type', 'application/vnd.oci.descriptor.v1+json');
  // A process group of its own, so that its children are killed with it.
  const child = spawn(path, args, { stdio: 'pipe', detached: true });
  const tooLate = AbortSignal.timeout(timeoutMs);
  const end = signal === undefined ? tooLate : AbortSignal.any([tooLate, signal]);
  const kill = () => killGroup(child);
  end.addEventListener('abort', kill, { once: true });
  try {
    // A program that does not read stdin to its end breaks the pipe, which is no failure.
    child.stdin.on('error', () => {});
    child.stdin.end(`${JSON.stringify(toJson(target))}\n`);
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const exitCode = await exitOf(child, path, end);
    debug('image verifier %s: %s', path, stderr().text);
    const { text, truncated } = stdout();
    return { exitCode, stdout: truncated ? `${text}(stdout truncated)` : text };
  } catch (error) {
    signal?.throwIfAborted();
    if (!tooLate.aborted) throw error;
    throw new OverlayerError('Unavailable', `Image verifier "${path}" takes longer than ${timeoutMs} ms`);
  } finally {
    end.removeEventListener('abort', kill);
  }
}

/** Resolves when the program has ended and its output is closed. */
function exitOf(child: ChildProcess, path: string, end: AbortSignal): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', (error) => reject(failed(path, error.message, error)));
    child.on('close', (code, killedBy) => {
      if (end.aborted || code === null) reject(failed(path, `it was killed (${killedBy})`));
      else resolve(code);
    });
  });
}

function failed(path: string, why: string, cause?: unknown): OverlayerError {
  return new OverlayerError('FailedPrecondition', `Cannot ask the image verifier "${path}": ${why}`, {
    cause,
  });
}

/** Keeps the first bytes and reads on, so that a program that writes more does not block. */
function collect(stream: Readable): () => { readonly text: string; readonly truncated: boolean } {
  const chunks: Buffer[] = [];
  let room = MAX_OUTPUT_BYTES;
  let truncated = false;
  stream.on('data', (chunk: Buffer) => {
    if (room > 0) chunks.push(chunk.subarray(0, room));
    truncated ||= chunk.length > room;
    room = Math.max(room - chunk.length, 0);
  });
  return () => ({ text: Buffer.concat(chunks).toString().trim(), truncated });
}

function killGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
}

/** The platform as the image specification spells it. */
function toJson({ platform, ...descriptor }: Descriptor): object {
  return { ...descriptor, platform: platform && platformDocument(platform) };
}

const HEADER_BYTES = 20;

/**
 * Checks that the kernel can run a file. Node's `spawn` (execvp) runs any other file as a shell script, so an empty file
 * would be a verifier that accepts every image.
 */
async function assertProgram(path: string): Promise<void> {
  const header = await readHeader(path);
  if (/^#![ \t]*\//.test(header.toString('latin1'))) return;
  if (header.length === HEADER_BYTES && kindOf(header).equals(kindOf(await readHeader(process.execPath))))
    return;
  throw new Error('it is no program of this machine, and no script that begins with #!');
}

/** ELF magic, class, byte order, version and machine (elf(5)). */
function kindOf(header: Buffer): Buffer {
  return Buffer.concat([header.subarray(0, 6), header.subarray(18, 20)]);
}

async function readHeader(path: string): Promise<Buffer> {
  // Opening a FIFO must not block.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
