import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputFile } from './input-files.js';
import { run, shell } from './run.js';

/** A directory of real files that becomes a layer. */
export interface InputTree {
  /** Names everything that decides the content: results with equal definitions can be compared. */
  readonly definition: string;
  /** Inputs it is taken from; they are made first. */
  readonly from?: readonly InputName[];
  /** Times in whole seconds, as container builders write them: an entry then needs no extended header. */
  readonly wholeSeconds?: true;
  make(dir: string): void;
}

export type InputName =
  | 'rootfs'
  | 'node-modules'
  | 'toolchain'
  | 'many-files'
  | 'large-files'
  | 'go'
  | 'haskell'
  | 'rust'
  | 'large'
  | 'small'
  | 'tiny'
  | 'guard'
  | 'guard-small';

const ROOTFS_PACKAGES = ['python3', 'perl', 'git', 'vim'];
const TOOLCHAIN_PACKAGES =
  'clang-14 llvm-14 libllvm14 libclang-cpp14 libclang1-14 libclang-common-14-dev gcc-12 g++-12 cpp-12'.split(
    ' ',
  );
const NODE_PACKAGES =
  '@mui/icons-material@5.15.0 @mui/material@5.15.0 aws-sdk@2.1691.0 date-fns@2.30.0 lodash@4.17.21 typescript@5.4.5 webpack@5.91.0 @angular/core@17.3.0 rxjs@7.8.1 react-icons@5.0.1 core-js@3.36.1'.split(
    ' ',
  );
const MANY_PACKAGES = [
  ...NODE_PACKAGES,
  ...'googleapis@134.0.0 next@14.2.3 monaco-editor@0.48.0 @ant-design/icons@5.3.7 @tensorflow/tfjs-core@4.17.0'.split(
    ' ',
  ),
];
const LARGE_PACKAGES =
  'pandoc openjdk-17-jre-headless libqt5webenginecore5 libllvm15 libllvm14 libstd-rust-1.63 libmozjs-102-0 libwebkit2gtk-4.1-0 libjavascriptcoregtk-4.1-0 libclang-cpp14'.split(
    ' ',
  );
const GO_PACKAGES = ['golang-1.19-go', 'golang-1.19-src'];
const HASKELL_PACKAGES = ['ghc'];
const RUST_PACKAGES = ['rustc', 'cargo', 'libstd-rust-1.63', 'libstd-rust-dev'];
/** They have no dependencies. */
const GUARD_PACKAGES = 'typescript@5.4.5 date-fns@3.6.0 core-js@3.36.1 react-icons@5.0.1'.split(' ');
/** About 320 small files. */
const GUARD_SMALL_FOLDER = 'node_modules/core-js/internals';

export const INPUT_TREES: Readonly<Record<InputName, InputTree>> = {
  rootfs: {
    definition: `Debian bookworm, minbase with ${ROOTFS_PACKAGES.join(', ')}`,
    make(dir) {
      const mirror = run(['apt-get', 'indextargets', '--format', '$(REPO_URI)', 'CODENAME: bookworm']).split(
        '\n',
      )[0]!;
      const include = `--include=${ROOTFS_PACKAGES.join(',')}`;
      run(['debootstrap', '--variant=minbase', include, 'bookworm', dir, ...(mirror === '' ? [] : [mirror])]);
      run(shell(`rm -rf ${dir}/var/cache/apt/* ${dir}/var/lib/apt/lists/*`));
    },
  },
  'node-modules': {
    definition: `npm packages ${NODE_PACKAGES.join(', ')}, dependencies as of 2025-05-01`,
    make: (dir) => npmInstall(dir, NODE_PACKAGES),
  },
  toolchain: debianPackages(TOOLCHAIN_PACKAGES),
  'many-files': {
    definition: `npm packages ${MANY_PACKAGES.join(', ')}, dependencies as of 2025-05-01`,
    wholeSeconds: true,
    make: (dir) => npmInstall(dir, MANY_PACKAGES),
  },
  'large-files': {
    definition: `Debian packages ${LARGE_PACKAGES.join(', ')}, without documentation`,
    wholeSeconds: true,
    make(dir) {
      extractPackages(dir, LARGE_PACKAGES);
      rmSync(join(dir, 'usr/share/doc'), { recursive: true });
    },
  },
  go: debianPackages(GO_PACKAGES),
  haskell: debianPackages(HASKELL_PACKAGES),
  rust: debianPackages(RUST_PACKAGES),
  large: {
    definition: 'rootfs, node-modules and toolchain, a directory each',
    from: ['rootfs', 'node-modules', 'toolchain'],
    make(dir) {
      for (const name of this.from!) extract(name, join(dir, name));
    },
  },
  small: {
    definition: 'usr/lib/python3.11 of rootfs',
    from: ['rootfs'],
    make: (dir) => extract('rootfs', dir, './usr/lib/python3.11'),
  },
  tiny: {
    definition: 'etc and usr/share/perl5 of rootfs',
    from: ['rootfs'],
    make: (dir) => extract('rootfs', dir, './etc', './usr/share/perl5'),
  },
  guard: {
    definition: `npm packages ${GUARD_PACKAGES.join(', ')}`,
    make: (dir) => npmInstall(dir, GUARD_PACKAGES),
  },
  'guard-small': {
    definition: `${GUARD_SMALL_FOLDER} of guard`,
    from: ['guard'],
    make: (dir) => extract('guard', dir, `./${GUARD_SMALL_FOLDER}`),
  },
};

function debianPackages(packages: readonly string[]): InputTree {
  return {
    definition: `Debian packages ${packages.join(', ')}`,
    make: (dir) => extractPackages(dir, packages),
  };
}

function npmInstall(dir: string, packages: readonly string[]): void {
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const flags = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund'];
  run(['npm', 'install', ...flags, '--before', '2025-05-01', ...packages], { cwd: dir });
}

function extractPackages(dir: string, packages: readonly string[]): void {
  const files = `${dir}.packages`;
  mkdirSync(files);
  run(['apt-get', 'download', ...packages], { cwd: files });
  for (const file of readdirSync(files)) run(['dpkg-deb', '--extract', join(files, file), dir]);
  rmSync(files, { recursive: true });
}

function extract(name: InputName, dir: string, ...members: string[]): void {
  mkdirSync(dir, { recursive: true });
  run(['tar', '--xattrs', '-C', dir, '-xf', inputFile(name, 'tar'), ...members]);
}
