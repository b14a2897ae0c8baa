import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { freemem, tmpdir } from 'node:os';
import { join } from 'node:path';
import { BENCH_DIR } from './paths.js';
import { run } from './run.js';

const MARK = 'OVERLAYER_BENCH_SCRATCH';
/** What else is set on a machine is not of the contest: NODE_EXTRA_CA_CERTS makes each start of Node 40 ms later. */
const KEPT_VARIABLES = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'OVERLAYER_BENCH_INPUTS', 'OVERLAYER_BENCH_NODES'];

/** From which size on a virtual machine gives free memory back to its host: blocks of 2^N pages. */
const REPORTED_ORDER = '/sys/module/page_reporting/parameters/page_reporting_order';
/** There are none. */
const NO_BLOCK = '11';

/**
 * Starts this program again in a mount namespace of its own, so that whatever it mounts goes with it, however
 * it ends. Returns the directory to mount on, in the new process; the first one never returns.
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
 * What the host has taken back costs 10 µs a page to get again, 0.4 GB/s instead of 3.3: the same import takes 4.4 s, or
 * 4.6 to 5.5, as it happens. So it takes none while contenders are measured. @returns what lets it again
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

/** A file system in memory of our own at `dir`, its memory touched once: a first touch is slow in a virtual machine. */
export function mountMemory(dir: string): void {
  run(['mount', '-t', 'tmpfs', '-o', 'size=12g,mode=755', 'overlayer-bench', dir]);
  touch(dir, Math.min(8192, Math.floor(freemem() / 2 / 1024 ** 2)));
}

/** Or whoever is measured first would pay for it: 0.9 s of an image of 1.35 GB. */
function touch(dir: string, megabytes: number): void {
  const fill = join(dir, 'fill');
  run(['dd', 'if=/dev/zero', `of=${fill}`, 'bs=1M', `count=${megabytes}`, 'conv=fsync', 'status=none']);
  rmSync(fill);
}

export interface DiskOptions {
  /** Whether its file is read and written past the page cache, so that this holds nothing twice. @default false */
  readonly direct?: boolean;
}

/** An ext4 with a journal of our own at `dir`, in a file beside this program. */
export function mountDisk(dir: string, { direct = false }: DiskOptions = {}): void {
  const image = join(BENCH_DIR, 'inputs', 'disk.img');
  mkdirSync(join(BENCH_DIR, 'inputs'), { recursive: true });
  mkdirSync(dir, { recursive: true });
  rmSync(image, { force: true });
  // Written once: where its blocks are still to be found, the first to use them would wait for that.
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
