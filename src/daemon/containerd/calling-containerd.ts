import { readFileSync } from 'node:fs';
import { parseMountInfo } from '../../system/mountinfo.js';
import { findListener } from '../../system/unix-socket.js';
import type { VersionResponse } from '../messages.js';
import { ask, type Client, connect } from './containerd-client.js';

/** The first version with a mount manager, which fills templates and mounts EROFS files. */
const WITH_TEMPLATES = [2, 2] as const;

interface SeenProcess {
  readonly pid: number;
  /** Time at which it started. It tells a later process with the same id apart. */
  readonly start: string;
  /** Whether mounts of this process appear in its mount namespace. */
  readonly sees: boolean;
}

/** The process that carries out the mounts which the daemon describes. */
export class CallingContainerd {
  readonly #address: string;
  readonly #version: Client;
  #last: SeenProcess | undefined;

  /** @param address path of its socket */
  constructor(address: string) {
    this.#address = address;
    this.#version = connect('version', address);
  }

  /**
   * Whether a mount of this process appears in containerd's mount namespace. It does not where one of the two has a
   * namespace that mounts do not propagate to. That is found out once for each process of containerd.
   *
   * @param mountPoint of a mount that this process has made
   * @returns true also where that can't be found out
   */
  sees(mountPoint: string): boolean {
    const last = this.#last;
    if (last !== undefined && startOf(last.pid) === last.start) return last.sees;
    const pid = findListener(this.#address);
    const start = pid === undefined ? undefined : startOf(pid);
    if (pid === undefined || start === undefined) return true;
    const sees = mountPointsOf(pid)?.includes(mountPoint) ?? true;
    this.#last = { pid, start, sees };
    return sees;
  }

  /** Whether containerd has a mount manager (2.2 and later). Docker's own mounts never go through it. */
  async takesTemplates(): Promise<boolean> {
    const { version } = await ask<VersionResponse>(this.#version, 'version', {});
    const [major, minor] = /(\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [0, 0];
    return major! > WITH_TEMPLATES[0] || (major === WITH_TEMPLATES[0] && minor! >= WITH_TEMPLATES[1]);
  }

  close(): void {
    this.#version.close();
  }
}

/** @returns undefined when there is no such process */
function startOf(pid: number): string | undefined {
  // Fields after the name, which may have spaces and parentheses. The start is the 22nd of all.
  const stat = readProc(pid, 'stat')?.toString('latin1');
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
}

function mountPointsOf(pid: number): readonly string[] | undefined {
  const text = readProc(pid, 'mountinfo');
  return text && parseMountInfo(text).map(({ mountPoint }) => mountPoint);
}

function readProc(pid: number, name: string): Buffer | undefined {
  try {
    return readFileSync(`/proc/${pid}/${name}`);
  } catch {
    return undefined; // it has ended, or /proc hides it
  }
}
