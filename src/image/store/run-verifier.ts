import { type ChildProcess, spawn } from 'node:child_process';
import type { Readable } from 'node:stream';
import { debuglog } from 'node:util';
import type { AbortableOptions } from '../../base/abort.js';
import { OverlayerError } from '../../base/errors.js';
import type { Descriptor } from '../../oci/descriptor.js';
import { assertProgram } from './assert-program.js';

const MAX_OUTPUT_BYTES = 32 * 1024;
const debug = debuglog('overlayer');

export interface RunVerifierOptions extends AbortableOptions {
  readonly timeoutMs: number;
}

export interface VerifierAnswer {
  readonly exitCode: number;
  readonly stdout: string;
}

/** Asks one program, as `verifyImage` says. @throws OverlayerError `FailedPrecondition`, `Unavailable` */
export async function runVerifier(
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
  // A process group of its own, so that nothing that it starts outlives the time.
  const child = spawn(path, args, { stdio: 'pipe', detached: true });
  const tooLate = AbortSignal.timeout(timeoutMs);
  const end = signal === undefined ? tooLate : AbortSignal.any([tooLate, signal]);
  const kill = () => killGroup(child);
  end.addEventListener('abort', kill, { once: true });
  try {
    // One that does not read it to its end breaks the pipe; that is no failure.
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

/** When it has ended, and all who could still write for it. */
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

/** Keeps the beginning and reads on, so that whoever writes more is not stopped. */
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
    // It has ended.
  }
}

/** As the image spec spells it. */
function toJson({ mediaType, digest, size, urls, annotations, platform }: Descriptor): object {
  if (platform === undefined) return { mediaType, digest, size, urls, annotations };
  const { osVersion, ...rest } = platform;
  return { mediaType, digest, size, urls, annotations, platform: { ...rest, 'os.version': osVersion } };
}
