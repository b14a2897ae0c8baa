import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  createReadStream,
  lchownSync,
  linkSync,
  mkdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { extract } from 'tar-stream';

/** Unpacks an archive into an empty directory, everything restored that the tool can restore. */
export type Extractor = (archive: string, destination: string) => void | Promise<void>;

export const EXTRACTORS = {
  tar: (archive, destination) =>
    run('tar', ['--numeric-owner', '--xattrs', '--xattrs-include=*', '-xpf', archive, '-C', destination]),
  bsdtar: (archive, destination) => run('bsdtar', ['--numeric-owner', '-xpf', archive, '-C', destination]),
  'tar-stream': extractWithTarStream,
} as const satisfies Record<string, Extractor>;

function run(tool: string, args: readonly string[]): void {
  const { status, stderr, error } = spawnSync(tool, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${tool} failed: ${error?.message ?? stderr}`);
}

/** The least that makes a tree of what tar-stream reads: no times, no extended attributes, no special files. */
async function extractWithTarStream(archive: string, destination: string): Promise<void> {
  const reader = createReadStream(archive).pipe(extract());
  const modes: [path: string, mode: number][] = [];
  for await (const entry of reader) {
    const { name, type, mode = 0o644, uid = 0, gid = 0, linkname } = entry.header;
    const path = join(destination, name);
    mkdirSync(dirname(path), { recursive: true });
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    if (type === 'link') {
      linkSync(join(destination, linkname!), path);
      continue;
    }
    if (type === 'directory') mkdirSync(path, { recursive: true });
    else rmSync(path, { force: true });
    if (type === 'symlink') symlinkSync(linkname!, path);
    else if (type === 'file') writeFileSync(path, Buffer.concat(chunks));
    else if (type !== 'directory') throw new Error(`tar-stream: ${type} is not made here`);
    lchownSync(path, uid, gid);
    if (type !== 'symlink') modes.push([path, mode]);
  }
  for (const [path, mode] of modes.reverse()) chmodSync(path, mode);
}
