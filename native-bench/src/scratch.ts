import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BENCH_DIR } from './paths.js';
import { run } from './run.js';

const MARK = 'OVERLAYER_BENCH_SCRATCH';
/** Other variables would change the times: NODE_EXTRA_CA_CERTS makes each start of Node.js 40 ms longer. */
const KEPT_VARIABLES = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'OVERLAYER_BENCH_INPUTS', 'OVERLAYER_BENCH_NODES'];

/** N: a virtual machine gives free blocks of at least 2^N pages back to its host. */
const REPORTED_ORDER = '/sys/module/page_reporting/parameters/page_reporting_order';
/** The kernel has no blocks of this size. */
const NO_BLOCK = '11';

/**
 * Starts this program again in a mount namespace of its own. Its mounts end with the namespace.
 * @returns the directory to mount on, in the new process; the first process never returns
 */
export function enterNamespace(): string {
  const inherited = process.env[MARK];
  if (inherited !== undefined) return inherited;
  if (process.geteuid!() !== 0)
    throw new Error('Run this as root: it mounts, and sets owners as the tools do');
  // podman takes the path for a part of a reference, which has no capital letters.
  const dir = join(tmpdir(), `overlayer-bench-${process.pid}`);
  mkdirSync(dir, { mode: 0o700 });
  const args = ['--mount', '--propagation', 'private', process.execPath, ...process.argv.slice(1)];
  // Ctrl-C reaches the child too; this process waits for it, and removes the mount point.
  process.on('SIGINT', () => {});
  const kept = Object.entries(process.env).filter(([name]) => KEPT_VARIABLES.includes(name));
  const env = { ...Object.fromEntries(kept), [MARK]: dir };
  const giveBack = keepMemory();
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env });
  giveBack();
  rmdirSync(dir);
  process.exit(status ?? 1);
}

/**
 * Keeps free memory from the host. A page that the host took back costs 10 µs (0.4 GB/s instead of 3.3), and the same
 * import takes 4.6 to 5.5 s instead of 4.4. @returns a function that undoes it
 */
function keepMemory(): () => void {
  try {
    const before = readFileSync(REPORTED_ORDER, 'utf8');
    writeFileSync(REPORTED_ORDER, NO_BLOCK);
    return () => writeFileSync(REPORTED_ORDER, before);
  } catch {
    return () => {}; // no virtual machine, or none that gives memory back
  }
}

/** Mounts a file system in memory at `dir` and touches its memory, because a first touch is slow in a virtual machine. */
export function mountMemory(dir: string): void {
  run(['mount', '-t', 'tmpfs', '-o', 'size=12g,mode=755', 'overlayer-bench', dir]);
  touch(dir, Math.min(8192, Math.floor(freemem() / 2 / 1024 ** 2)));
}

/** Without it, the first contender is slower: by 0.9 s for an image of 1.35 GB. */
function touch(dir: string, megabytes: number): void {
  const fill = join(dir, 'fill');
  run(['dd', 'if=/dev/zero', `of=${fill}`, 'bs=1M', `count=${megabytes}`, 'conv=fsync', 'status=none']);
  rmSync(fill);
}

export interface DiskOptions {
  /** The image file is read and written past the page cache, which otherwise holds all data twice. @default false */
  readonly direct?: boolean;
}

/** Mounts an ext4 with a journal at `dir`. Its image is a file beside this program. */
export function mountDisk(dir: string, { direct = false }: DiskOptions = {}): void {
  const image = join(BENCH_DIR, 'inputs', 'disk.img');
  mkdirSync(join(BENCH_DIR, 'inputs'), { recursive: true });
  mkdirSync(dir, { recursive: true });
  rmSync(image, { force: true });
  // Its blocks are allocated now, because the first contender to use them would wait for that.
  run(['dd', 'if=/dev/zero', `of=${image}`, 'bs=1M', 'count=6144', 'conv=fsync', 'status=none']);
  try {
    run(['mkfs.ext4', '-q', '-O', 'has_journal', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    const flag = direct ? 'on' : 'off';
    const device = run(['losetup', '--find', '--show', `--direct-io=${flag}`, image]).trim();
    run(['mount', device, dir]);
    // The unmounting frees it.
    run(['losetup', '--detach', device]);
    touch(dir, 4096);
  } finally {
    // The loop device keeps the bytes until the namespace goes.
    rmSync(image);
  }
}
