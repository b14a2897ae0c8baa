import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { BENCH_DIR, ROOT_DIR } from './paths.js';
import { run } from './run.js';

/** Debian package, and a file that says it is there. */
export const GUARD_PACKAGES = {
  libisal2: '/usr/lib/*/libisal.so.2',
  zstd: '/usr/bin/zstd',
  time: '/usr/bin/time',
};
export const BENCH_PACKAGES = {
  ...GUARD_PACKAGES,
  isal: '/usr/bin/igzip',
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

const CONTAINERD = '/var/tmp/overlayer-test-peers/containerd-1.7';
/** Folder of a containerd that takes differs as plugins, which the tests install too. */
export const NEWER_CONTAINERD = join(CONTAINERD, 'usr/bin');

export function installContainerd(): void {
  run(['sh', join(ROOT_DIR, 'test/helpers/debian-packages.sh'), 'trixie', CONTAINERD, 'containerd']);
}
