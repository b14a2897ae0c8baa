import { configOf, describe as descriptorOf } from './hand-made-image.js';
import { dir, file, symlink, tar, whiteout } from './tar-builder.js';

/** An image as people build them, with its waste: layers, and the config with their commands. Always the same bytes. */
export function appImage(version: 1 | 2): { readonly layers: readonly Buffer[]; readonly config: Buffer } {
  const steps: readonly (readonly [command: string, layer: Buffer])[] = [
    ['/bin/sh -c #(nop) ADD file:5e4f2c6b in / ', tar(...systemFiles())],
    [
      'RUN /bin/sh -c apt-get update && apt-get install -y --no-install-recommends ca-certificates nodejs npm # buildkit',
      tar(...packageFiles()),
    ],
    ['WORKDIR /srv/app', tar(dir('srv'), dir('srv/app'))],
    ['RUN /bin/sh -c npm ci --omit=dev # buildkit', tar(...moduleFiles(version))],
    ['COPY . . # buildkit', tar(...appFiles(version))],
    [
      'RUN /bin/sh -c rm -rf /var/lib/apt/lists && chown -R node:node /srv/app/assets # buildkit',
      tar(whiteout('var/lib/apt/lists'), ...assets(1000)),
    ],
  ];
  const layers = steps.map(([, layer]) => layer);
  const diff_ids = layers.map((layer) => descriptorOf('application/octet-stream', layer).digest);
  const plain = JSON.parse(configOf(layers).toString());
  const history = steps.map(([created_by]) => ({ created_by, created: '2026-03-01T12:00:00Z' }));
  const config = { ...plain, created: '2026-03-01T12:00:00Z', rootfs: { type: 'layers', diff_ids }, history };
  return { layers, config: Buffer.from(JSON.stringify(config)) };
}

const LIBRARIES = 'usr/lib/x86_64-linux-gnu';

function systemFiles(): Buffer[] {
  return [
    ...sized('usr/bin', {
      bash: 1265,
      perl: 3790,
      openssl: 990,
      dpkg: 318,
      tar: 530,
      grep: 201,
      sed: 126,
      find: 224,
    }),
    file('usr/bin/passwd', content('passwd', 64), { mode: 0o4755 }),
    file('usr/bin/su', content('su', 72), { mode: 0o4755 }),
    ...sized(LIBRARIES, {
      'libc.so.6': 1922,
      'libcrypto.so.3': 4709,
      'libstdc++.so.6': 2190,
      'libm.so.6': 907,
      'libapt-pkg.so.6': 1989,
      'libgnutls.so.30': 2019,
      'libsystemd.so.0': 846,
    }),
    ...sized(`${LIBRARIES}/perl-base`, many('module', 40, 22)),
    ...sized('usr/share/zoneinfo', many('Zone', 60, 3)),
    ...sized('usr/share/doc', many('package', 80, 9)),
    ...sized('usr/share/locale/de', many('LC', 20, 30)),
    ...sized('var/lib/dpkg', { status: 310, available: 20 }),
    ...sized('etc', { passwd: 1, 'ld.so.cache': 18, services: 13 }),
    symlink('bin', 'usr/bin'),
    symlink('lib', 'usr/lib'),
  ];
}

function packageFiles(): Buffer[] {
  return [
    ...sized('usr/bin', { node: 18_200 }),
    ...sized(LIBRARIES, { 'libnode.so.108': 9_400, 'libicudata.so.72': 7_800, 'libuv.so.1': 220 }),
    ...sized('usr/share/nodejs/npm/lib', many('command', 120, 14)),
    ...sized('var/lib/apt/lists', { main_Packages: 4_800, contrib_Packages: 260, security_Packages: 1_100 }),
    ...sized('var/cache/apt', { 'pkgcache.bin': 2_400, 'srcpkgcache.bin': 2_300 }),
    ...sized('var/lib/dpkg', { status: 460 }),
  ];
}

function moduleFiles(version: number): Buffer[] {
  const at = 'srv/app/node_modules';
  return [
    ...sized(`${at}/typescript/lib`, {
      'tsc.js': 2_900 + version * 130,
      'typescript.js': 4_800,
      'lib.dom.d.ts': 980,
    }),
    ...sized(`${at}/express/lib`, many('router', 24, 12)),
    ...sized(`${at}/lodash`, many('function', 160, 4)),
    ...sized(`${at}/sharp/vendor`, { 'libvips.so.42': 7_300 }),
    ...(version === 1
      ? sized(`${at}/left-pad`, { 'index.js': 4 })
      : sized(`${at}/undici/lib`, many('dispatcher', 40, 16))),
  ];
}

function appFiles(version: number): Buffer[] {
  return [
    ...sized('srv/app/src', many(`feature-${version === 1 ? 'a' : 'b'}`, 30, 7)),
    file('srv/app/package.json', content(`package ${version}`, 2), { mode: version === 1 ? 0o644 : 0o600 }),
    ...assets(0),
    ...sized('srv/app/.git/objects/pack', { 'pack-91af.pack': 3_100, 'pack-91af.idx': 420 }),
  ];
}

function assets(uid: number): Buffer[] {
  return Object.entries({ 'hero.webp': 2_300, 'fonts.woff2': 900, 'intro.mp4': 5_600 }).map(([name, size]) =>
    file(`srv/app/assets/${name}`, content(name, size), { uid, gid: uid }),
  );
}

/** Files of a directory. @param sizes in units of 200 bytes, by name */
function sized(directory: string, sizes: Readonly<Record<string, number>>): Buffer[] {
  return Object.entries(sizes).map(([name, size]) =>
    file(`${directory}/${name}`, content(directory + name, size)),
  );
}

/** Names with numbers. */
function many(name: string, count: number, size: number): Record<string, number> {
  return Object.fromEntries(Array.from({ length: count }, (_, at) => [`${name}-${at}`, size + (at % 5)]));
}

function content(seed: string, units: number): Buffer {
  return Buffer.alloc(units * 200, `${seed} `);
}
