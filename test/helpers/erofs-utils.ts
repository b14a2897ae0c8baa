import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { peerDirectory } from './peer-directory.js';

/**
 * Runs a program of the newest erofs-utils. Version 1.8 crashes on its own images when their blocks have 512 bytes.
 *
 * @throws Error when it fails, or writes anything
 */
export function runErofsTool(tool: 'mkfs' | 'fsck', args: readonly string[]): void {
  const program = join(peerDirectory('erofs-utils-1.9'), 'bin', `${tool}.erofs`);
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  const output = stdout + stderr;
  if (status !== 0 || output !== '')
    throw new Error(`${tool}.erofs ${args.join(' ')} ended with ${status}: ${output}`);
}
