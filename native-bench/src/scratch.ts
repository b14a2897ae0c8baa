import { spawnSync } from 'node:child_process';
import { mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BENCH_DIR } from './paths.js';
import { run } from './run.js';

const MARK = 'OVERLAYER_BENCH_SCRATCH';
/** What else is set on a machine is not of the contest: NODE_EXTRA_CA_CERTS makes each start of Node 40 ms later. */
const KEPT_VARIABLES = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'OVERLAYER_BENCH_INPUTS'];

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
  const { status } = spawnSync('unshare', args, { stdio: 'inherit', env });
  rmdirSync(dir);
  process.exit(status ?? 1);
}

/** A file system in memory of our own at `dir`, its memory touched once: a first touch is slow in a virtual machine. */
export function mountMemory(dir: string): void {
  run(['mount', '-t', 'tmpfs', '-o', 'size=12g,mode=755', 'overlayer-bench', dir]);
  touch(dir);
}

/** Or whoever is measured first would pay for it: 0.9 s of an image of 1.35 GB. */
function touch(dir: string): void {
  const fill = join(dir, 'fill');
  run(['dd', 'if=/dev/zero', `of=${fill}`, 'bs=1M', 'count=4096', 'conv=fsync', 'status=none']);
  rmSync(fill);
}

/** An ext4 with a journal of our own at `dir`, in a file beside this program. */
export function mountDisk(dir: string): void {
  const image = join(BENCH_DIR, 'inputs', 'disk.img');
  mkdirSync(join(BENCH_DIR, 'inputs'), { recursive: true });
  mkdirSync(dir, { recursive: true });
  rmSync(image, { force: true });
  // Written once: where its blocks are still to be found, the first to use them would wait for that.
  run(['dd', 'if=/dev/zero', `of=${image}`, 'bs=1M', 'count=6144', 'conv=fsync', 'status=none']);
  try {
    run(['mkfs.ext4', '-q', '-O', 'has_journal', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image]);
    run(['mount', '-o', 'loop', image, dir]);
    touch(dir);
  } finally {
    // The loop device keeps the bytes until the namespace goes.
    rmSync(image);
  }
}
