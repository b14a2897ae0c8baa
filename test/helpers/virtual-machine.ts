import { execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { peerDirectory } from './peer-directory.js';

/** A kernel for virtual machines, of Debian's stable release. It runs in qemu-system-x86 on a machine of any kind. */
const KERNEL = peerDirectory('linux-stable');
const MODULES = ['virtio_blk', 'erofs'];

/** Words of the init program around its output. */
const BEGIN = 'BEGIN OF OUTPUT';
const END = 'END OF OUTPUT';

/**
 * Boots a virtual machine under software emulation, which takes about 3 CPU seconds.
 *
 * @param directory for the files of the machine
 * @param disks EROFS images. The machine mounts the first at /mnt/a, the second at /mnt/b, and so on
 * @param commands lines of shell. The programs are those of busybox
 * @returns their output, and the kernel's messages about EROFS
 */
export function runInVirtualMachine(
  directory: string,
  disks: readonly string[],
  commands: string,
): { readonly output: string; readonly messages: readonly string[] } {
  const [version] = readdirSync(join(KERNEL, 'usr/lib/modules'));
  const initrd = join(directory, 'initrd');
  writeFileSync(initrd, makeInitrd(join(KERNEL, 'usr/lib/modules', version!), commands));
  const machine = [
    '-accel',
    'tcg',
    '-m',
    '256',
    '-nodefaults',
    '-nographic',
    '-no-reboot',
    '-serial',
    'stdio',
  ];
  const { stdout, stderr } = spawnSync(
    'qemu-system-x86_64',
    [
      ...machine,
      ...['-kernel', join(KERNEL, 'boot', `vmlinuz-${version}`), '-initrd', initrd],
      ...['-append', 'console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable'],
      ...disks.flatMap((disk) => ['-drive', `file=${disk},format=raw,if=virtio,readonly=on`]),
    ],
    { encoding: 'utf8', timeout: 100_000 },
  );
  const text = stdout.replaceAll('\r\n', '\n');
  const [begin, end] = [text.indexOf(`${BEGIN}\n`), text.indexOf(END)];
  if (begin < 0 || end < 0) throw new Error(`the virtual machine has failed: ${text}${stderr}`);
  return {
    output: text.slice(begin + BEGIN.length + 1, end),
    messages: text
      .slice(end)
      .split('\n')
      .filter((line) => /erofs/.test(line)),
  };
}

function makeInitrd(modules: string, commands: string): Buffer {
  const loaded = new Map<string, Buffer>();
  for (const name of MODULES) loadModule(modules, name, loaded);
  const insmod = [...loaded.keys()].map((name) => `insmod /${name}.ko`);
  const init = [
    '#!/bin/busybox sh',
    '/bin/busybox --install -s /bin',
    'mount -t devtmpfs dev /dev',
    'mount -t proc proc /proc',
    ...insmod,
    `echo ${BEGIN}`,
    'for disk in a b c; do mkdir /mnt/$disk; mount -t erofs -o ro /dev/vd$disk /mnt/$disk 2>/dev/null; done',
    commands,
    `echo ${END}`,
    'dmesg',
    'poweroff -f',
  ].join('\n');
  return Buffer.concat([
    ...['dev', 'proc', 'mnt', 'bin'].map((name) => cpioMember(name, 0o040755)),
    cpioMember('bin/busybox', 0o100755, readFileSync('/usr/bin/busybox')),
    ...[...loaded].map(([name, bytes]) => cpioMember(`${name}.ko`, 0o100644, bytes)),
    cpioMember('init', 0o100755, Buffer.from(init)),
    cpioMember('TRAILER!!!', 0),
  ]);
}

/** Adds a module behind those that it depends on. */
function loadModule(modules: string, name: string, loaded: Map<string, Buffer>): void {
  const [file] = readdirSync(modules, { recursive: true, encoding: 'utf8' }).filter((path) =>
    path.endsWith(`/${name}.ko.xz`),
  );
  const bytes = execFileSync('busybox', ['xzcat', join(modules, file!)], { maxBuffer: 2 ** 26 });
  const [, depends = ''] = /\0depends=([^\0]*)\0/.exec(bytes.toString('latin1')) ?? [];
  for (const other of depends.split(',').filter(Boolean)) loadModule(modules, other, loaded);
  loaded.set(name, bytes);
}

/** A member of a cpio archive in the "newc" format. */
function cpioMember(name: string, mode: number, data: Buffer = Buffer.alloc(0)): Buffer {
  const nameBytes = Buffer.from(`${name}\0`);
  const fields = [0, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, nameBytes.length, 0];
  const hex = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return Buffer.concat([padTo4(Buffer.concat([Buffer.from(`070701${hex}`), nameBytes])), padTo4(data)]);
}

function padTo4(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
}
