import { OverlayerError } from '../../src/base/errors.js';
import type { ApplyResponse } from '../../src/daemon/layers/diff-messages.js';
import type { MountMessage } from '../../src/daemon/messages.js';
import type { MountsResponse } from '../../src/daemon/snapshots/snapshots-messages.js';
import { overlayLayers } from '../../src/mount/overlay-layers.js';
import { digestOf, writeBlob } from './content-writer.js';
import { type Client, connect } from './grpc-client.js';

/** Calls as containerd's unpacker makes them (core/unpack), layer by layer or several layers at once. */
export type Manner =
  | 'serial'
  /** containerd 2.3 and later: a label says that a parent will come. */
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
  /** Trees of the layers that were committed, nearest first. */
  readonly trees: readonly string[];
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
    const trees: string[] = [];
    try {
      for (const layer of layers) await haveBlob(this.#services.content, layer);
      if (this.#manner === 'serial')
        for (const [at, layer] of layers.entries()) {
          const mounts = await this.prepare(at, layer);
          await apply(layer, mounts);
          await this.commit(at);
          trees.unshift(treeOf(mounts));
        }
      else {
        const prepared = await Promise.all(layers.map((layer, at) => this.prepare(at, layer)));
        const applied = layers.map((layer, at) => apply(layer, prepared[at]!));
        for (const each of applied) each.catch(() => {});
        if (beforeCommits !== undefined) {
          await Promise.allSettled(applied);
          await beforeCommits();
        }
        for (const [at, each] of applied.entries()) {
          await each;
          await this.commit(at);
          trees.unshift(await this.#committedTree(at));
        }
        await Promise.allSettled(applied);
      }
      return { trees, failed: undefined };
    } catch (error) {
      if (!OverlayerError.is(error)) throw error;
      return { trees, failed: error.code };
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

  async commit(at: number): Promise<void> {
    const parent = this.#manner === 'serial' ? '' : this.#parent(at);
    const labels = { 'containerd.io/snapshot.ref': this.#name(at) };
    const request = { snapshotter, key: this.#key(at), name: this.#name(at), parent, labels };
    await this.#services.snapshots.ask('commit', request);
  }

  /** Another snapshot may be in the place of the one that was prepared. */
  async #committedTree(at: number): Promise<string> {
    const request = { snapshotter, key: `view ${this.#name(at)}`, parent: this.#name(at), labels: {} };
    const { mounts } = await this.#services.snapshots.ask<MountsResponse>('view', request);
    await this.#services.snapshots.ask('remove', { snapshotter, key: request.key });
    return treeOf(mounts);
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

/** The uppermost directory that the mounts show. */
function treeOf([mount]: readonly MountMessage[]): string {
  const { upper, lowers } = overlayLayers(mount!.options);
  return upper ?? lowers[0] ?? mount!.source;
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
