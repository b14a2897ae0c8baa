import { closeSync, fstatSync, openSync, readSync } from 'node:fs';

/** A larger archive may have so many entries that it pays to optimize. */
const MAX_ARCHIVE_BYTES = 2 * 1024 * 1024;

/**
 * Prepares the process for a layer that it unpacks in its own thread. Without a umask, a file has the right mode when it is
 * created: a quarter of the system calls of a layer are not needed.
 *
 * @param path of the layer, a file
 */
export async function unpackInThisThread<Result>(
  path: string,
  unpack: () => Promise<Result>,
): Promise<Result> {
  const umask = process.umask(0);
  try {
    return await (archiveBytes(path) > MAX_ARCHIVE_BYTES ? unpack() : withoutOptimizing(unpack));
  } finally {
    process.umask(umask);
  }
}

/**
 * Works without V8's optimizing compilers. They would compile 30 to 50 functions for a small layer, which ends before that
 * pays. An unpack of 1 MB takes 7 to 15 ms less processor time. With two idle cores that is 3 ms on Node 20, and costs 1 ms on
 * Node 24 and 26; on a busy machine it is 5 to 10 ms. All functions may be optimized again at the end, because V8 takes
 * compiled code only with the flags that it was kept with.
 */
async function withoutOptimizing<Result>(work: () => Promise<Result>): Promise<Result> {
  const { setFlagsFromString } = process.getBuiltinModule('node:v8');
  const optimize = (functions: '*' | '-*') => {
    for (const compiler of ['turbo', 'maglev']) setFlagsFromString(`--${compiler}-filter=${functions}`);
  };
  optimize('-*');
  try {
    return await work();
  } finally {
    optimize('*');
  }
}

/** @returns the size of a gzip file's content, which its last bytes state (RFC 1952, ISIZE); infinity for other files */
function archiveBytes(path: string): number {
  const bytes = Buffer.alloc(6);
  let file: number | undefined;
  try {
    file = openSync(path, 'r');
    const { size } = fstatSync(file);
    if (readSync(file, bytes, 0, 2, 0) < 2 || readSync(file, bytes, 2, 4, size - 4) < 4) return Infinity;
    return bytes[0] === 0x1f && bytes[1] === 0x8b ? bytes.readUInt32LE(2) : Infinity;
  } catch {
    return Infinity; // its reader reports the error
  } finally {
    if (file !== undefined) closeSync(file);
  }
}
