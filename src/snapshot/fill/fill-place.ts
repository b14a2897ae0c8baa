import type { DiffedLayer } from '../../layer/diff/diffed-layer.js';
import type { LayerProgress, LayerSource } from '../../layer/options.js';
import { type AppliedLayer, type ApplyLayerOptions, applyLayer } from '../../layer/unpack-layer.js';
import type { Mount } from '../../mount/mount.js';
import { parseMountOptions } from '../../mount/mount-options.js';
import { withMount } from '../../mount/mounting.js';
import { overlayLayers } from '../../mount/overlay-layers.js';
import type { Capability } from '../backends/backend.js';
import { EarlyFlush } from './flush-point.js';

export type FillLayerOptions = Omit<
  ApplyLayerOptions,
  'temporary' | 'facts' | 'target' | 'lowers' | 'existing'
>;

export interface WriteLayerOptions extends FillLayerOptions, Pick<ApplyLayerOptions, 'temporary'> {
  /** The place is in a snapshot that is described and flushed afterwards. */
  readonly isSealed: boolean;
}

/** Where a layer is written, and how. */
export interface FillPlace {
  /** The path that is written. Undefined behind mounts. */
  readonly destination: string | undefined;
  /** There are no lower layers, and a commit may bring some. */
  readonly mayGetLowers: boolean;
  /** The layer comes on top of files that are there. After a failure they may stay changed. */
  readonly merges: boolean;

  /** @throws OverlayerError as `unpackLayer`, and as `withMount` where the place is mounts */
  write(source: LayerSource | DiffedLayer, options: WriteLayerOptions): Promise<AppliedLayer>;

  /** Makes the layer the contents of the snapshot, when it is on the disk. @default `write` has done so */
  finish?(): Promise<void>;
}

export interface PreparedSnapshot {
  readonly mounts: readonly Mount[];
  readonly parent: string | undefined;
  readonly capabilities: readonly Capability[];
}

interface DirectoryOptions extends Pick<ApplyLayerOptions, 'target' | 'lowers' | 'existing'> {
  readonly destination: string;
  /** @default false */
  readonly mayGetLowers?: boolean | undefined;
}

/** A directory that is written straight, with the same result as through mounts. */
export class DirectoryPlace implements FillPlace {
  readonly destination: string;
  readonly mayGetLowers: boolean;
  readonly merges: boolean;
  readonly #options: DirectoryOptions;

  constructor(options: DirectoryOptions) {
    this.destination = options.destination;
    this.mayGetLowers = options.mayGetLowers ?? false;
    this.merges = options.existing === 'merge';
    this.#options = options;
  }

  /**
   * The directory behind the mounts of an active snapshot.
   *
   * Where a commit may give the snapshot its first parent (`rebase`), whiteouts are kept in the form of overlayfs. They
   * hide files of the later parent.
   */
  static behind({ mounts, parent, capabilities }: PreparedSnapshot): DirectoryPlace | undefined {
    const [mount] = mounts;
    if (mount === undefined || mounts.length > 1 || mount.target !== undefined) return undefined;
    const { data, idMap } = parseMountOptions(mount.type, mount.options);
    if (idMap !== undefined) return undefined;
    const { source: destination } = mount;
    if (mount.type === 'bind')
      return parent === undefined && capabilities.includes('rebase')
        ? new DirectoryPlace({ destination, target: 'overlay', mayGetLowers: true })
        : new DirectoryPlace({ destination, existing: 'merge' });
    const { upper, lowers } = overlayLayers(data);
    if (mount.type !== 'overlay' || upper === undefined) return undefined;
    const mayGetLowers = lowers.length === 0;
    return new DirectoryPlace({ destination: upper, target: 'overlay', lowers, mayGetLowers });
  }

  write(
    source: LayerSource | DiffedLayer,
    { isSealed, ...options }: WriteLayerOptions,
  ): Promise<AppliedLayer> {
    const { destination, target, lowers, existing } = this.#options;
    const early = isSealed ? new EarlyFlush(destination) : undefined;
    return applyLayer(source, destination, {
      ...options,
      ...{ target, lowers, existing },
      onProgress: (progress: LayerProgress) => {
        early?.onProgress(progress);
        options.onProgress?.(progress);
      },
      facts: isSealed,
    });
  }
}

/** Mounts where what is behind them can't be written to. */
export class MountsPlace implements FillPlace {
  readonly destination = undefined;
  readonly mayGetLowers = false;
  readonly merges = true;
  readonly #mounts: readonly Mount[];

  constructor(mounts: readonly Mount[]) {
    this.#mounts = mounts;
  }

  write(
    source: LayerSource | DiffedLayer,
    { isSealed: _, ...options }: WriteLayerOptions,
  ): Promise<AppliedLayer> {
    const how = { ...options, existing: 'merge', temporary: false } as const;
    const { signal } = options;
    return withMount(this.#mounts, (directory) => applyLayer(source, directory, how), { signal });
  }
}
