import { OverlayerError } from '../../src/base/errors.js';
import type { ApplyResponse } from '../../src/daemon/layers/diff-messages.js';
import type { MountMessage } from '../../src/daemon/messages.js';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import type { MountNamespace } from '../helpers/mount-namespace.js';
import { readTree, type Tree } from '../helpers/tree.js';
import { digestOf, writeBlob } from './content-writer.js';
import { type Client, connect } from './grpc-client.js';

/** Calls as containerd's unpacker makes them (core/unpack), layer by layer or several layers at once. */
export type Manner =
  | 'serial'
  /** containerd 2.4 and later: labels name the layer, and say that a parent will come. */
  | 'parallel'
  /** containerd 2.2: nothing says so before the commit. */
  | 'parallel of 2.2';

/** Unpacks a layer through mounts. */
export type Apply = (layer: Uint8Array, mounts: readonly MountMessage[]) => Promise<unknown>;

export interface UnpackHow {
  /** @default by the daemon's own differ */
  readonly apply?: Apply;
  /** What happens when all layers of a parallel unpack are there. */
  readonly beforeCommits?: () => Promise<void>;
}

export interface UnpackedImage {
  /** Names of the snapshots that were committed, the lowest first. */
  readonly committed: readonly string[];
  /** Code of the first error; undefined when all layers are there. */
  readonly failed: string | undefined;
}

export interface Services {
  readonly snapshots: Client;
  readonly diff: Client;
  readonly content: Client;
  close(): void;
}

export function connectAll(address: string): Services {
  const [snapshots, diff, content] = [
    connect('snapshots', address),
    connect('diff', address),
    connect('content', address),
  ];
  const close = () => {
    for (const client of [snapshots, diff, content]) client.close();
  };
  return { snapshots, diff, content, close };
}

/** A blob that may be there already. */
export async function haveBlob(content: Client, bytes: Uint8Array): Promise<void> {
  try {
    await writeBlob(content, digestOf(bytes), bytes);
  } catch (error) {
    if (!OverlayerError.is(error) || error.code !== 'AlreadyExists') throw error;
  }
}

const snapshotter = 'overlayer';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

let images = 0;

/** A client of a daemon that has the image's blobs as well. */
export class ImageUnpacker {
  readonly #services: Services;
  readonly #manner: Manner;
  readonly #image = `${images++}`;

  constructor(services: Services, manner: Manner) {
    this.#services = services;
    this.#manner = manner;
  }

  async unpack(layers: readonly Uint8Array[], how: UnpackHow = {}): Promise<UnpackedImage> {
    const { apply = this.apply, beforeCommits } = how;
    const committed: string[] = [];
    try {
      for (const layer of layers) await haveBlob(this.#services.content, layer);
      if (this.#manner === 'serial')
        for (const [at, layer] of layers.entries()) {
          const mounts = await this.prepare(at, layer);
          await apply(layer, mounts);
          committed.push(await this.commit(at));
        }
      else {
        const prepared = await Promise.all(layers.map((layer, at) => this.prepare(at, layer)));
        const applied = layers.map(async (layer, at) => {
          if (!isFilled(prepared[at]!)) await apply(layer, prepared[at]!);
        });
        for (const each of applied) each.catch(() => {});
        if (beforeCommits !== undefined) {
          await Promise.allSettled(applied);
          await beforeCommits();
        }
        for (const [at, each] of applied.entries()) {
          await each;
          committed.push(await this.commit(at));
        }
        await Promise.allSettled(applied);
      }
      return { committed, failed: undefined };
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      return { committed, failed: error.code };
    }
  }

  async prepare(at: number, layer: Uint8Array): Promise<readonly MountMessage[]> {
    const labels = {
      'containerd.io/snapshot.ref': this.#name(at),
      ...(this.#manner === 'parallel' && {
        'containerd.io/snapshot/diff-id': digestOf(layer),
        ...(at > 0 && { 'containerd.io/snapshot/parent-chain-id': this.#name(at - 1) }),
      }),
    };
    const parent = this.#manner === 'serial' ? this.#parent(at) : '';
    const request = { snapshotter, key: this.#key(at), parent, labels };
    return (await this.#services.snapshots.ask<MountsResponse>('prepare', request)).mounts;
  }

  readonly apply: Apply = (layer, mounts) => applyBy(this.#services.diff, LAYER, layer, mounts);

  async commit(at: number): Promise<string> {
    const [name, parent] = [this.#name(at), this.#manner === 'serial' ? '' : this.#parent(at)];
    const labels = { 'containerd.io/snapshot.ref': name };
    await this.#services.snapshots.ask('commit', { snapshotter, key: this.#key(at), name, parent, labels });
    return name;
  }

  #name(at: number): string {
    return `default/${this.#image}/layer ${at}`;
  }

  #parent(at: number): string {
    return at === 0 ? '' : this.#name(at - 1);
  }

  #key(at: number): string {
    return `default/${this.#image}/extract-1 ${at}`;
  }
}

/** A snapshot whose layer the snapshotter has: the last mount is read-only. */
const isFilled = (mounts: readonly MountMessage[]) => mounts.at(-1)!.options.includes('ro');

/** Reads the tree of a snapshot. @param host the namespace of the daemon */
export async function readSnapshot(
  { snapshots }: Services,
  name: string,
  host: MountNamespace,
  directory: string,
): Promise<Tree> {
  const view = { snapshotter, key: `view ${name}` };
  const { mounts } = await snapshots.ask<MountsResponse>('view', { ...view, parent: name, labels: {} });
  const mounted = await host.mount(directory, mounts[0]!);
  try {
    return readTree(mounted);
  } finally {
    await host.unmount(mounted);
    await snapshots.ask('remove', view);
  }
}

export async function applyBy(
  differ: Client,
  mediaType: string,
  layer: Uint8Array,
  mounts: readonly MountMessage[],
): Promise<void> {
  const diff = { mediaType, digest: digestOf(layer), size: layer.length };
  const { applied } = await differ.ask<ApplyResponse>('apply', { diff, mounts });
  if (applied.digest !== digestOf(layer)) throw new Error(`wrong diffID ${applied.digest}`);
}
