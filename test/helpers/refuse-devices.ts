import type { Inside, NamespaceProcess } from './namespace-process.js';

/** From now on the kernel refuses the process every character device (EPERM), as a strict sandbox does. */
export async function refuseDevices(inside: NamespaceProcess): Promise<void> {
  await inside.run(installFilter, import.meta.resolve('koffi'));
}

/** A seccomp filter (seccomp(2)) on mknodat(2), for all threads and those to come. */
async function installFilter({ load }: Inside, koffiModule: string): Promise<void> {
  const { default: koffi } = await load<{ default: typeof import('koffi') }>(koffiModule);
  const MKNODAT = process.arch === 'x64' ? 259 : 33;
  const [LOAD, AND, JUMP_IF_EQUAL, RETURN] = [0x20, 0x54, 0x15, 0x06];
  const [NUMBER_AT, MODE_AT] = [0, 32]; // in struct seccomp_data: the call, and its third argument
  const [ALLOW, REFUSE] = [0x7fff0000, 0x00050001]; // SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
  const program: readonly (readonly [code: number, ifTrue: number, ifFalse: number, value: number])[] = [
    [LOAD, 0, 0, NUMBER_AT],
    [JUMP_IF_EQUAL, 0, 4, MKNODAT],
    [LOAD, 0, 0, MODE_AT],
    [AND, 0, 0, 0o170000],
    [JUMP_IF_EQUAL, 0, 1, 0o020000],
    [RETURN, 0, 0, REFUSE],
    [RETURN, 0, 0, ALLOW],
  ];
  const filter = Buffer.alloc(program.length * 8);
  program.forEach(([code, ifTrue, ifFalse, value], at) => {
    filter.writeUInt16LE(code, at * 8);
    filter.writeUInt8(ifTrue, at * 8 + 2);
    filter.writeUInt8(ifFalse, at * 8 + 3);
    filter.writeUInt32LE(value, at * 8 + 4);
  });
  const description = Buffer.alloc(16); // struct sock_fprog
  description.writeUInt16LE(program.length, 0);
  description.writeBigUInt64LE(BigInt(koffi.address(filter)), 8);
  const libc = koffi.load('libc.so.6');
  const prctl = libc.func('int prctl(int, uint64_t, uint64_t, uint64_t, uint64_t)');
  const syscall = libc.func('int64_t syscall(int64_t, uint64_t, uint64_t, void *)');
  const [NO_NEW_PRIVS, SET_MODE_FILTER, ALL_THREADS] = [38, 1, 1];
  const SECCOMP = process.arch === 'x64' ? 317 : 277;
  if (
    prctl(NO_NEW_PRIVS, 1, 0, 0, 0) !== 0 ||
    syscall(SECCOMP, SET_MODE_FILTER, ALL_THREADS, description) !== 0
  )
    throw new Error(`the filter was refused: errno ${koffi.errno()}`);
}
