import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { getNewerPeers } from './newer-peers.js';

interface Peer {
  /** Matches the text of a test that needs it. */
  readonly named: RegExp;
  readonly purpose: string;
}

/** Debian packages that tests compare with or run in. */
const PEERS: Readonly<Record<string, Peer>> = {
  attr: { named: /[gs]etfattr/, purpose: 'setfattr and getfattr, to look at what was unpacked' },
  bindfs: { named: /bindfs/, purpose: 'a file system in user space (FUSE)' },
  buildah: { named: /buildah/, purpose: 'images by another builder' },
  'btrfs-progs': { named: /btrfs/, purpose: 'copies that share blocks' },
  'busybox-static': { named: /busybox/, purpose: 'a root filesystem that runs' },
  chromium: { named: /chromium/, purpose: 'a browser that shows pages' },
  containerd: { named: /containerd/, purpose: 'the daemon as its plugin' },
  crun: { named: /crun/, purpose: 'containers from runtime bundles' },
  'docker-registry': { named: /docker-registry/, purpose: 'a registry to pull from' },
  fish: { named: /\bfish\b/, purpose: 'shell completion' },
  'libarchive-tools': { named: /bsdtar/, purpose: 'bsdtar, in the differential tests' },
  'libcap2-bin': { named: /[gs]etcap/, purpose: 'getcap and setcap' },
  libisal2: { named: /isal/, purpose: 'the fastest gzip decoder' },
  openssl: { named: /openssl/, purpose: 'certificates of registries' },
  podman: { named: /podman/, purpose: 'images by another engine' },
  'qemu-system-x86': { named: /virtual-machine/, purpose: 'the stable kernel of Debian' },
  runc: { named: /\brunc\b/, purpose: 'containers by containerd' },
  skopeo: { named: /skopeo/, purpose: 'images in every form, and into registries' },
  systemd: { named: /systemd/, purpose: 'sockets that are handed over' },
  tmux: { named: /tmux/, purpose: 'the progress bar on a terminal' },
  umoci: { named: /umoci/, purpose: 'the differential tests of whole layers' },
  xfsprogs: { named: /xfs/, purpose: 'copies that share blocks, power cuts' },
  zsh: { named: /\bzsh\b/, purpose: 'shell completion' },
  zstd: { named: /zstd/, purpose: 'zstd layers by its own command' },
};

/**
 * Installs what is missing where it may, and otherwise says what to install.
 *
 * @param texts of the tests that will run, with their helpers: only what they name is installed
 */
export function installPeers(texts: readonly string[]): void {
  const isNamed = (named: RegExp) => texts.some((text) => named.test(text));
  const needed = Object.keys(PEERS).filter((name) => isNamed(PEERS[name]!.named));
  const missing = missingOf(needed);
  if (missing.length > 0) installMissing(missing);
  if (process.getuid?.() === 0) getNewerPeers(isNamed);
}

function installMissing(missing: readonly string[]): void {
  const list = missing.map((name) => `  ${name}: ${PEERS[name]!.purpose}`).join('\n');
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) {
    console.warn(`Some tests will be skipped: root may install these Debian packages for them\n${list}`);
    return;
  }
  console.log(`Installing Debian packages for the tests\n${list}`);
  apt('update', '--quiet=2');
  apt('install', '--quiet=2', '--yes', '--no-install-recommends', ...missing);
}

function missingOf(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  // biome-ignore lint/suspicious/noTemplateCurlyInString: fields of dpkg-query
  const format = '--showformat=${Package} ${Status}\n';
  const { stdout } = spawnSync('dpkg-query', ['--show', format, ...names], { encoding: 'utf8' });
  const installed = new Set(
    [...String(stdout).matchAll(/^(\S+) install ok installed$/gm)].map(([, name]) => name),
  );
  return names.filter((name) => !installed.has(name));
}

function apt(...args: readonly string[]): void {
  // Another session's apt is waited for.
  execFileSync('apt-get', ['--option=DPkg::Lock::Timeout=300', ...args], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}
