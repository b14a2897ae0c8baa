import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setXattr } from './xattrs.js';

export interface TreeFeatures {
  /** What only GNU and PAX archives hold: long names, names that are not ASCII. */
  readonly longNames: boolean;
  /** What only PAX archives hold: attributes, fractions of seconds, large times. */
  readonly attributes: boolean;
  readonly sparse: boolean;
}

/** Makes a tree that has everything an archive of some format can hold. */
export function makeSampleTree(root: string, features: TreeFeatures): void {
  const at = (name: string) => join(root, name);
  mkdirSync(at('d/empty'), { recursive: true });
  mkdirSync(at('sticky'));
  writeFileSync(at('d/file'), 'content\n');
  writeFileSync(at('d/none'), '');
  writeFileSync(at('d/blocks'), Buffer.alloc(100_000, 'block'));
  writeFileSync(at('d/setuid'), '#!/bin/sh\n');
  linkSync(at('d/file'), at('d/hard'));
  linkSync(at('d/file'), at('sticky/hard'));
  symlinkSync('file', at('d/symbolic'));
  symlinkSync('/absolute/none', at('d/dangling'));
  linkSync(at('d/symbolic'), at('d/hard-to-symbolic'));
  execFileSync('mkfifo', [at('d/fifo')]);
  execFileSync('mknod', [at('d/null'), 'c', '1', '3']);
  execFileSync('mknod', [at('d/loop'), 'b', '7', '300']);
  execFileSync('chown', ['-h', '12:34', at('d/symbolic'), at('d/fifo'), at('d/setuid'), at('sticky')]);
  chmodSync(at('d/setuid'), 0o6755);
  chmodSync(at('d/null'), 0o666);
  chmodSync(at('sticky'), 0o3777);
  if (features.longNames) addLongNames(at);
  if (features.attributes) addAttributes(at);
  if (features.sparse) addSparseFiles(at);
  // Whole seconds, where nothing else is asked for.
  execFileSync('find', [
    root,
    '-depth',
    '-exec',
    'touch',
    '--no-dereference',
    '--date=@1600000000',
    '{}',
    '+',
  ]);
  if (features.attributes) execFileSync('touch', ['-d', '2024-05-06T07:08:09.123456789Z', at('d/blocks')]);
}

function addLongNames(at: (name: string) => string): void {
  const long = `${'l'.repeat(150)}/${'m'.repeat(200)}`;
  mkdirSync(at(long), { recursive: true });
  writeFileSync(at(`${long}/${'f'.repeat(255)}`), 'long');
  symlinkSync(`${long}/${'f'.repeat(255)}`, at('to-long'));
  linkSync(at(`${long}/${'f'.repeat(255)}`), at(`${long}/hard`));
  writeFileSync(at('grüße 日本 😀'), 'UTF-8');
  writeFileSync(Buffer.concat([Buffer.from(at('')), Buffer.from('latin1-\xfc\xff', 'latin1')]), 'not UTF-8');
  writeFileSync(at('new\nline "quoted" \\ back'), 'x');
}

function addAttributes(at: (name: string) => string): void {
  setXattr(at('d/file'), 'user.text', 'plain');
  setXattr(at('d/file'), 'user.bytes', '\0\x01\xff=\n');
  setXattr(at('d'), 'trusted.directory', 'x'.repeat(1000));
  execFileSync('setcap', ['cap_net_raw+ep', at('d/setuid')]);
}

function addSparseFiles(at: (name: string) => string): void {
  for (const [name, size, islands] of [
    ['islands', 1 << 20, 30],
    ['hole', 1 << 20, 0],
  ] as const) {
    const file = openSync(at(name), 'w');
    for (let index = 0; index < islands; index++) writeSync(file, `island ${index}`, index * 32_768);
    ftruncateSync(file, size);
    closeSync(file);
  }
}
