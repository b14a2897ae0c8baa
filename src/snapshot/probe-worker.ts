import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { OverlayerError } from '../base/errors.js';
import { beginWork } from '../base/start-worker.js';
import { openLinuxSystem } from '../system/linux.js';
import { openLinuxMountSystem } from '../system/linux-mount.js';
import type { MountSystem } from '../system/mount-system.js';
import { AT_FDCWD, O, type System, SystemError } from '../system/system.js';
import { mountError } from './mount-error.js';
import { mountOnto } from './mount-onto.js';
import { escapeLayer, takesLayersOneByOne } from './overlay-mount.js';
import type { OverlaySupport } from './overlay-support.js';

// A thread that tries overlayfs and ends. Its mounts are in a namespace of its own, which ends with it, or with the
// process: nobody has to unmount them, and a process that is killed leaves none. So all that looks into them is
// synchronous: what is not is done by threads that do not see them.

const INDEX_PARAMETER = '/sys/module/overlay/parameters/index';
const DT_UNKNOWN = 0;

const scratch = beginWork<string>();
const linux = openLinuxMountSystem();
const mounts: MountSystem = { ...linux, unmount: async () => {} };
let count = 0;

void probe().then((support) => parentPort!.postMessage(support));

async function probe(): Promise<OverlaySupport> {
  const impossible = namesWithoutTypes(openLinuxSystem()) ?? enterNamespace();
  const trusted = impossible ?? (await tryLayers([]));
  const reason = impossible ?? (trusted && (await tryLayers(['userxattr'])));
  const supported = reason === undefined;
  const userxattr = supported && trusted !== undefined;
  return {
    supported,
    reason,
    userxattr,
    indexOff: existsSync(INDEX_PARAMETER),
    lowerdirAppend: supported && takesLayersOneByOne(mounts),
    idmapped: supported && (await mapsOwners(userxattr ? ['userxattr'] : [])),
  };
}

/** @returns why not */
function enterNamespace(): string | undefined {
  try {
    linux.enterMountNamespace();
    return undefined;
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    return describe(mountError('Cannot mount', error));
  }
}

/** Whether a directory of a layer can be replaced, which takes an attribute to say so. @returns why not */
async function tryLayers(options: readonly string[]): Promise<string | undefined> {
  try {
    const directory = join(await mountOverlay(options), 'directory');
    rmSync(directory, { recursive: true });
    mkdirSync(directory);
    if (readdirSync(directory).length > 0) throw new Error('overlayfs does not hide what is replaced');
    return undefined;
  } catch (error) {
    return OverlayerError.is(error)
      ? describe(error)
      : `overlayfs does not work there: ${(error as Error).message}`;
  }
}

async function mapsOwners(options: readonly string[]): Promise<boolean> {
  const [uid, gid] = [process.geteuid!(), process.getegid!()];
  const maps = [`uidmap=${uid}:${uid + 1}:1`, `gidmap=${gid}:${gid + 1}:1`];
  try {
    const file = statSync(join(await mountOverlay([...options, ...maps]), 'directory', 'file'));
    return file.uid === uid + 1 && file.gid === gid + 1;
  } catch {
    return false;
  }
}

/** A file in a lower layer, seen through an overlay. @returns where it is mounted */
async function mountOverlay(options: readonly string[]): Promise<string> {
  const base = join(scratch, String(count++));
  const at = (name: string) => join(base, name);
  for (const path of [join(at('lower'), 'directory'), at('upper'), at('work'), at('merged')])
    mkdirSync(path, { recursive: true });
  writeFileSync(join(at('lower'), 'directory', 'file'), '');
  const directories = ['lower', 'upper', 'work'].map((name) => `${name}dir=${escapeLayer(at(name))}`);
  const mount = { type: 'overlay', source: 'overlay', options: [...directories, ...options] };
  await mountOnto(mounts, [mount], at('merged'));
  return at('merged');
}

/** overlayfs tells whiteouts from files by the types that a directory lists. @returns what is wrong */
function namesWithoutTypes(system: System): string | undefined {
  const descriptor = system.openAt(AT_FDCWD, scratch, O.RDONLY | O.DIRECTORY, 0);
  try {
    if (system.list(descriptor).every(({ type }) => type !== DT_UNKNOWN)) return undefined;
    return 'its file system does not list the types of files (d_type), which overlayfs needs: xfs is to be made with ftype=1, ext4 with the feature filetype';
  } finally {
    system.close(descriptor);
  }
}

function describe(error: OverlayerError): string {
  return error.hint === undefined ? error.message : `${error.message}; ${error.hint}`;
}
