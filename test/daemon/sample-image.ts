import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

export const IMAGE = 'docker.io/library/sample:1';

/**
 * An image that runs: busybox, and a layer upon it that adds, replaces and hides. By umoci and skopeo.
 *
 * @returns its archive
 */
export function makeSampleImage(directory: string): string {
  const at = (...names: string[]) => join(directory, ...names);
  const run = (program: string, ...args: string[]) =>
    execFileSync(program, args, { cwd: directory, stdio: 'pipe' });
  for (const name of ['base/bin', 'base/etc', 'base/gone', 'base/replaced', 'next/etc', 'next/replaced'])
    mkdirSync(at(name), { recursive: true });
  copyFileSync('/bin/busybox', at('base/bin/busybox'));
  for (const name of ['sh', 'cat', 'ls', 'rm']) symlinkSync('busybox', at('base/bin', name));
  writeFileSync(at('base/etc/base'), 'from the base\n');
  writeFileSync(at('base/gone/file'), '');
  writeFileSync(at('base/replaced/old'), '');
  writeFileSync(at('next/etc/next'), 'from the next\n');
  writeFileSync(at('next/.wh.gone'), '');
  writeFileSync(at('next/replaced/.wh..wh..opq'), '');
  writeFileSync(at('next/replaced/new'), '');
  run('umoci', 'init', '--layout', 'layout');
  run('umoci', 'new', '--image', 'layout:sample');
  for (const name of ['base', 'next']) {
    run('tar', '-C', name, '-cf', `${name}.tar`, '.');
    run('umoci', 'raw', 'add-layer', '--image', 'layout:sample', `${name}.tar`);
  }
  run('umoci', 'config', '--image', 'layout:sample', '--config.cmd', '/bin/sh');
  run(
    'skopeo',
    '--insecure-policy',
    'copy',
    '--quiet',
    'oci:layout:sample',
    `oci-archive:image.tar:${IMAGE}`,
  );
  return at('image.tar');
}
