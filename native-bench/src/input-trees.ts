import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inputFile } from './input-files.js';
import { run, shell } from './run.js';

/** A directory of real files that becomes a layer. */
export interface InputTree {
  /** Says all that decides its content, so that two results with equal definitions compare. */
  readonly definition: string;
  /** Inputs it is taken from; they are made first. */
  readonly from?: readonly InputName[];
  make(dir: string): void;
}

export type InputName = 'rootfs' | 'node-modules' | 'toolchain' | 'large' | 'small' | 'tiny' | 'guard';

const ROOTFS_PACKAGES = ['python3', 'perl', 'git', 'vim'];
const TOOLCHAIN_PACKAGES =
  'clang-14 llvm-14 libllvm14 libclang-cpp14 libclang1-14 libclang-common-14-dev gcc-12 g++-12 cpp-12'.split(
    ' ',
  );
const NODE_PACKAGES =
  '@mui/icons-material@5.15.0 @mui/material@5.15.0 aws-sdk@2.1691.0 date-fns@2.30.0 lodash@4.17.21 typescript@5.4.5 webpack@5.91.0 @angular/core@17.3.0 rxjs@7.8.1 react-icons@5.0.1 core-js@3.36.1'.split(
    ' ',
  );
/** Without dependencies, so that these few are all there is. */
const GUARD_PACKAGES = 'typescript@5.4.5 date-fns@3.6.0 core-js@3.36.1 react-icons@5.0.1'.split(' ');

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
  toolchain: {
    definition: `Debian packages ${TOOLCHAIN_PACKAGES.join(', ')}`,
    make(dir) {
      const packages = `${dir}.packages`;
      mkdirSync(packages);
      run(['apt-get', 'download', ...TOOLCHAIN_PACKAGES], { cwd: packages });
      for (const file of readdirSync(packages)) run(['dpkg-deb', '--extract', join(packages, file), dir]);
      rmSync(packages, { recursive: true });
    },
  },
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
};

function npmInstall(dir: string, packages: readonly string[]): void {
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  const flags = ['--ignore-scripts', '--legacy-peer-deps', '--no-audit', '--no-fund'];
  run(['npm', 'install', ...flags, '--before', '2025-05-01', ...packages], { cwd: dir });
}

function extract(name: InputName, dir: string, ...members: string[]): void {
  mkdirSync(dir, { recursive: true });
  run(['tar', '--xattrs', '-C', dir, '-xf', inputFile(name, 'tar'), ...members]);
}
