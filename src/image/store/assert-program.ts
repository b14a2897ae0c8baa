import { constants, open } from 'node:fs/promises';

const HEADER_BYTES = 20;

/**
 * That the kernel itself can run a file. Of one that it can't, Node's `spawn` (execvp) makes a shell script: an empty
 * file would then be a verifier that says yes to everything.
 *
 * @throws Error with what is wrong, as a system call would
 */
export async function assertProgram(path: string): Promise<void> {
  const header = await readHeader(path);
  if (/^#![ \t]*\//.test(header.toString('latin1'))) return;
  if (header.length === HEADER_BYTES && kindOf(header).equals(kindOf(await readHeader(process.execPath))))
    return;
  throw new Error('it is no program of this machine, and no script that begins with #!');
}

/** What it is that the kernel runs, or not: ELF, of how many bits, in which order, for which machine (elf(5)). */
function kindOf(header: Buffer): Buffer {
  return Buffer.concat([header.subarray(0, 6), header.subarray(18, 20)]);
}

async function readHeader(path: string): Promise<Buffer> {
  // Of a pipe nobody waits for the other end.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
