import type { OptionNames } from '../base/check-arguments.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels } from '../metadata/labels.js';

/**
 * # Leases
 *
 * A lease keeps what it names from the garbage collection, in all processes, until it ends. It ends when it is deleted,
 * when it expires, or with the process that it is tied to. It may name what does not exist yet. No call finds a lease that
 * has ended.
 *
 * A caller that relies on something without a reference takes a lease on it *before* it checks whether it exists, and
 * holds the lease until there is a reference. Then no collection can delete it in between:
 *
 * ```ts
 * const { id } = await content.leases.create({ tiedToProcess: true });
 * for (const { digest } of blobs) await content.leases.add(id, { type: 'content', id: digest });
 * // … ingest the blobs, record the image …
 * await content.leases.delete(id);
 * ```
 *
 * A lease holds what it names, and not what that refers to: a pull names every blob of the image.
 *
 * (containerd: core/leases. Its types are plural there, and that of snapshots has the snapshotter's name.)
 */
export interface Leases {
  /** @throws OverlayerError `AlreadyExists`, `InvalidArgument` (an id, a label, a time that can't be) */
  create(options?: CreateLeaseOptions): Promise<Lease>;
  /** Ends a lease. The next collection deletes what nothing else holds. @throws OverlayerError `NotFound` */
  delete(id: string): Promise<void>;
  /** Undefined when there is no such lease, or it has ended. @throws OverlayerError `InvalidArgument` (not an id) */
  find(id: string): Promise<Lease | undefined>;
  /** All leases in the order of their ids. Filters know the fields `id` and `labels.NAME`. @throws OverlayerError `InvalidArgument` (a filter that can't be read) */
  list(options?: ListOptions): Promise<readonly Lease[]>;
  /** Makes a lease hold something. A second time does nothing. @throws OverlayerError `NotFound` (no such lease), `InvalidArgument` */
  add(id: string, resource: LeaseResource): Promise<void>;
  /** Ends the hold on something. Does nothing when there is none. @throws OverlayerError `NotFound` (no such lease) */
  remove(id: string, resource: LeaseResource): Promise<void>;
  /** What a lease holds. @throws OverlayerError `NotFound` */
  resources(id: string): Promise<readonly LeaseResource[]>;
}

/** The record of a lease. */
export interface Lease {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Date;
  /** What its label `containerd.io/gc.expire` says; undefined when it does not expire. */
  readonly expiresAt: Date | undefined;
  /** The process that it ends with, as that process sees its own id; undefined when it is tied to none. */
  readonly process: number | undefined;
}

/** Id, labels and end of a lease. */
export interface CreateLeaseOptions {
  /** At most 256 bytes. @default a new one */
  readonly id?: string | undefined;
  readonly labels?: Labels | undefined;
  /** The same as the label `containerd.io/gc.expire` with that time. @default never, or as the label says */
  readonly expiresAt?: Date | undefined;
  /** The lease ends with this process, also when the process is killed. @default false */
  readonly tiedToProcess?: boolean | undefined;
}

export const CREATE_LEASE_OPTIONS = {
  id: true,
  labels: true,
  expiresAt: true,
  tiedToProcess: true,
} satisfies OptionNames<CreateLeaseOptions>;

/** Something that a lease holds. */
export interface LeaseResource {
  readonly type: LeaseResourceType;
  /** Its digest, ref or name. */
  readonly id: string;
}

/**
 * The kind of thing that a lease holds: a blob (by digest), an ingest (by ref), a snapshot (by key or name) or an
 * image (by name).
 */
export type LeaseResourceType = 'content' | 'ingest' | 'snapshot' | 'image';
