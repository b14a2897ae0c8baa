import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BENCH_DIR, ROOT_DIR } from './paths.js';
import { run } from './run.js';

/** Debian packages, each with a file that shows that it is installed. */
export const GUARD_PACKAGES = {
  libisal2: '/usr/lib/*/libisal.so.2',
  isal: '/usr/bin/igzip',
  openssl: '/usr/bin/openssl',
  zstd: '/usr/bin/zstd',
  time: '/usr/bin/time',
};
export const BENCH_PACKAGES = {
  ...GUARD_PACKAGES,
  'libarchive-tools': '/usr/bin/bsdtar',
  umoci: '/usr/bin/umoci',
  buildah: '/usr/bin/buildah',
  containerd: '/usr/bin/ctr',
  'docker-registry': '/usr/bin/docker-registry',
  podman: '/usr/bin/podman',
  skopeo: '/usr/bin/skopeo',
  debootstrap: '/usr/sbin/debootstrap',
};

export function installDebianPackages(packages: Readonly<Record<string, string>>): void {
  const missing = Object.keys(packages).filter((name) => !isThere(packages[name]!));
  if (missing.length === 0) return;
  console.error(`apt-get install ${missing.join(' ')}`);
  run(['apt-get', 'update', '-q']);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run(['apt-get', 'install', '-q', '--yes', '--no-install-recommends', ...missing], { env });
}

function isThere(pattern: string): boolean {
  return run(['bash', '-c', `compgen -G '${pattern}' || true`]) !== '';
}

/** The JavaScript peers, in the versions of the lock file. */
export function installPeers(): void {
  if (existsSync(join(BENCH_DIR, 'node_modules', '.package-lock.json'))) return;
  console.error('npm ci');
  run(['npm', 'ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: BENCH_DIR });
}

/** The tests extract them to the same directories. */
const PEERS = '/var/tmp/overlayer-test-peers';
/** Folder of the newest containerd in Debian. */
export const CONTAINERD_2 = join(PEERS, 'containerd-2/usr/bin');
/** Folder of an mkfs.erofs that reads a tar, and finds its libraries. */
export const MKFS_EROFS = join(PEERS, 'erofs-utils-1.9/bin');

export function installContainerd(): void {
  extractPackage('containerd', 'forky', 'containerd-2');
}

export function installErofsPeers(): void {
  installContainerd();
  extractPackage('erofs-utils', 'forky', 'erofs-utils-1.9', '--complete');
}

/** A package of another Debian release, without installing it. */
function extractPackage(
  name: string,
  release: string,
  directory: string,
  ...options: readonly string[]
): void {
  const script = join(ROOT_DIR, 'test/helpers/debian-packages.sh');
  run(['sh', script, ...options, release, join(PEERS, directory), name]);
}
