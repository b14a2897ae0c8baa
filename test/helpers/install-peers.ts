import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { installNewerContainerds } from './newer-containerd.js';

/** Debian packages that tests compare with or run in, and what needs them. */
const PEERS: Readonly<Record<string, string>> = {
  attr: 'setfattr and getfattr, to look at what was unpacked',
  bindfs: 'a file system in user space (FUSE)',
  buildah: 'images by its own hand',
  'btrfs-progs': 'copies that share blocks',
  'busybox-static': 'a root filesystem that runs',
  containerd: 'the daemon as its plugin',
  crun: 'containers from runtime bundles',
  'docker-registry': 'a registry to pull from',
  fish: 'shell completion',
  'libarchive-tools': 'bsdtar, in the differential tests',
  'libcap2-bin': 'getcap and setcap',
  libisal2: 'the fastest gzip decoder',
  openssl: 'certificates of registries',
  runc: 'containers by containerd',
  skopeo: 'images in every form there is, and into registries',
  systemd: 'sockets that are handed over',
  tmux: 'the progress bar on a terminal',
  umoci: 'the differential tests of whole layers',
  xfsprogs: 'copies that share blocks, power cuts',
  zsh: 'shell completion',
  zstd: 'zstd layers by its own command',
};

/** Runs once before the tests: installs what is missing where it may, and otherwise says what to install. */
export default function installPeers(): void {
  const missing = Object.keys(PEERS).filter((name) => !isInstalled(name));
  if (missing.length > 0) installMissing(missing);
  if (process.getuid?.() === 0) installNewerContainerds();
}

function installMissing(missing: readonly string[]): void {
  const list = missing.map((name) => `  ${name}: ${PEERS[name]}`).join('\n');
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.warn(`Some tests will be skipped: root may install these Debian packages for them\n${list}`);
    return;
  }
  console.log(`Installing Debian packages for the tests\n${list}`);
  apt('update', '--quiet=2');
  apt('install', '--quiet=2', '--yes', '--no-install-recommends', ...missing);
}

function isInstalled(name: string): boolean {
  const { stdout } = spawnSync('dpkg', ['--status', name], { encoding: 'utf8' });
  return /^Status: install ok installed$/m.test(String(stdout));
}

function apt(...args: readonly string[]): void {
  // Another session's apt is waited for.
  execFileSync('apt-get', ['--option=DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
