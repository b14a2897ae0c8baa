import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../run.js';

/** A release of Node.js. */
export interface NodeRelease {
  /** As the tables name it: `Node 24.1.0`. */
  readonly name: string;
  readonly path: string;
}

const MAJORS = [24, 26];
const DIRECTORY = '/var/tmp/overlayer-bench-nodes';

/** The release that runs the benchmark, and those of `OVERLAYER_BENCH_NODES` (paths with `:` between), or the newest ones of npm. */
export function nodeReleases(): NodeRelease[] {
  const given = process.env['OVERLAYER_BENCH_NODES'];
  const others = given === undefined ? MAJORS.map(installNode) : given.split(':').filter(Boolean);
  return [process.execPath, ...others].map((path) => ({
    name: `Node ${run([path, '-p', 'process.versions.node']).trim()}`,
    path,
  }));
}

/** The package `node` of npm is an installer of these packages. */
function installNode(major: number): string {
  const name = `node-linux-${process.arch}`;
  const prefix = join(DIRECTORY, String(major));
  const path = join(prefix, 'node_modules', name, 'bin/node');
  if (!existsSync(path)) {
    console.error(`npm install ${name}@${major}`);
    run(['npm', 'install', '--silent', '--no-audit', '--no-fund', '--prefix', prefix, `${name}@${major}`]);
  }
  return path;
}
