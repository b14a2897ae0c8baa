import { readFileSync } from 'node:fs';
import { cpus, loadavg, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { BENCH_DIR, ROOT_DIR } from './paths.js';
import { CONTAINERD_2, MKFS_EROFS } from './prerequisites.js';
import { run, shell } from './run.js';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  /** Load average of the minute before. Figures of a busy machine say little. */
  readonly loadBefore: number;
  /** Versions by tool. */
  readonly versions: Readonly<Record<string, string>>;
}

const TOOLS = [
  'tar',
  'gzip',
  'igzip',
  'zstd',
  'bsdtar',
  'umoci',
  'skopeo',
  'podman',
  'buildah',
  'containerd',
];
/** Tools of a newer Debian release. No directory of PATH has them. */
const NEWER_TOOLS = {
  'newest containerd': join(CONTAINERD_2, 'containerd'),
  'mkfs.erofs': join(MKFS_EROFS, 'mkfs.erofs'),
};
const PEERS = ['tar', 'tar-fs', 'modern-tar'];

export function describeMachine(): Machine {
  const versions: Record<string, string> = {
    overlayer: `${packageVersion(ROOT_DIR)} (${commit()})`,
    node: process.version,
  };
  const version = (tool: string) => run(shell(`${tool} --version 2>/dev/null | head -1 || true`)).trim();
  for (const tool of TOOLS) versions[tool] = version(tool);
  for (const [tool, path] of Object.entries(NEWER_TOOLS)) versions[tool] = version(path);
  for (const peer of PEERS)
    versions[peer === 'tar' ? 'node-tar' : peer] = packageVersion(join(BENCH_DIR, 'node_modules', peer));
  return {
    cpu: cpus()[0]!.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    loadBefore: loadavg()[0]!,
    versions,
  };
}

function packageVersion(dir: string): string {
  return JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).version;
}

/** The commit of the measured sources. A release tarball has none. */
function commit(): string {
  return run(['bash', '-c', 'git describe --always --dirty 2>/dev/null || echo "no commit"'], {
    cwd: ROOT_DIR,
  }).trim();
}
