import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chownSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { type Mount, OverlayerError } from '../../src/index.js';
import type { MountSystem } from '../../src/system/mount-system.js';
import type { SystemError } from '../../src/system/system.js';
import { AS_NOBODY, NOBODY, type Privileges } from './mount-namespace.js';
import { type MountCalls, olderKernels } from './older-kernels.js';
import { makeWorkDirectory } from './work-directory.js';

/** What a function has that is run in the namespace: nothing else from around it. */
export interface Inside {
  readonly overlayer: typeof import('../../src/index.js');
  readonly fs: typeof import('node:fs');
  readonly path: typeof import('node:path');
  readonly child: typeof import('node:child_process');
  /** A module of the built package, such as `mount/mount-onto.js`, or by its URL. */
  load<Module>(path: string): Promise<Module>;
  /** Mounts as on a kernel that has only `calls` to mount. */
  mount(calls: MountCalls, mounts: readonly Mount[], target: string): Promise<void>;
  mountWith(system: MountSystem, mounts: readonly Mount[], target: string): Promise<void>;
  readonly kernels: {
    readonly systems: Readonly<Record<MountCalls, MountSystem>>;
    readonly SystemError: typeof SystemError;
  };
}

/** What can be sent there and back. */
export type Json =
  | string
  | number
  | boolean
  | null
  | readonly Json[]
  | { readonly [key: string]: Json | undefined };

type Answer =
  | { readonly result?: unknown }
  | { readonly error: { readonly code?: string; readonly message: string; readonly hint?: string } };

const DIST = new URL('../../dist/', import.meta.url).href;

const PROGRAM = `(async () => {
  const load = (path) => import(new URL(path, ${JSON.stringify(DIST)}).href);
  const [overlayer, fs, path, child] = await Promise.all([
    load('index.js'), import('node:fs'), import('node:path'), import('node:child_process')]);
  const [{ openLinuxMountSystem }, { mountOnto }, { SystemError }] = await Promise.all([
    load('system/linux-mount.js'), load('mount/mount-onto.js'), load('system/system.js')]);
  const newest = openLinuxMountSystem();
  const systems = (${olderKernels})(newest, SystemError);
  const mount = (calls, mounts, target) => mountOnto(systems[calls], mounts, target);
  const inside = { overlayer, fs, path, child, load, mount, mountWith: mountOnto, kernels: { systems, SystemError } };
  process.on('message', async ({ work, args }) => {
    try {
      process.send({ result: await eval('(' + work + ')')(inside, ...args) });
    } catch (error) {
      process.send({ error: { code: error.code, message: error.stack, hint: error.hint } });
    }
  });
  process.send({});
})()`;

/** A node process that runs functions of the tests, in a mount namespace of its own if it may have one. */
export class NamespaceProcess {
  readonly #process: ChildProcess;
  readonly #exit: Promise<unknown[]>;

  private constructor(process: ChildProcess) {
    this.#process = process;
    this.#exit = once(process, 'exit');
  }

  static async start(privileges: Privileges | 'none'): Promise<NamespaceProcess> {
    const unshare = ['unshare', '--mount', '--propagation', 'private'];
    const prefix = {
      root: unshare,
      'user-namespace': [...AS_NOBODY, ...unshare, '--user', '--map-root-user'],
      none: AS_NOBODY,
    }[privileges];
    const started = new NamespaceProcess(
      spawn(prefix[0]!, [...prefix.slice(1), process.execPath, '-e', PROGRAM], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        cwd: '/',
      }),
    );
    await started.#answer();
    return started;
  }

  /** Runs `work`, which can refer to nothing but its arguments; these and the result cross as JSON. */
  async run<Args extends Json[], Result>(
    work: (inside: Inside, ...args: Args) => Result,
    ...args: Args
  ): Promise<Awaited<Result>> {
    this.#process.send({ work: work.toString(), args });
    const answer = await this.#answer();
    if (!('error' in answer)) return answer.result as Awaited<Result>;
    const { code, message, hint } = answer.error;
    if (code === undefined || !/^[A-Z][a-z]/.test(code)) throw new Error(message);
    throw new OverlayerError(code as OverlayerError['code'], message, { hint });
  }

  /** A path outside of the namespace to a place in it. */
  view(path: string): string {
    return join(`/proc/${this.#process.pid}/root`, path);
  }

  async close(): Promise<void> {
    this.#process.disconnect();
    await this.#exit;
  }

  async #answer(): Promise<Answer> {
    const [answer] = await Promise.race([once(this.#process, 'message'), this.#exit]);
    if (typeof answer !== 'object') throw new Error(`the process in the namespace is gone (${answer})`);
    return answer as Answer;
  }
}

export interface Namespace {
  readonly inside: NamespaceProcess;
  /** A new directory that belongs to the process. */
  directory(where?: 'fast' | 'disk'): string;
}

/** A process for the tests of a file or a block, and directories that go with it. */
export function useNamespace(privileges: Privileges | 'none'): Namespace {
  let inside: NamespaceProcess;
  const directories: string[] = [];
  beforeAll(async () => {
    inside = await NamespaceProcess.start(privileges);
  });
  afterAll(async () => {
    await inside.close();
    // Only now: what a failed test has left mounted is gone with its namespace.
    for (const directory of directories) rmSync(directory, { recursive: true });
  });
  return {
    get inside() {
      return inside;
    },
    directory(where = 'fast') {
      const directory = makeWorkDirectory(where);
      if (privileges !== 'root') chownSync(directory, NOBODY, NOBODY);
      directories.push(directory);
      return directory;
    },
  };
}
