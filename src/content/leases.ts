import type { OptionNames } from '../base/check-arguments.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels } from '../metadata/labels.js';

/**
 * # Leases
 *
 * A lease protects the resources that it names from garbage collection, in all processes, until it ends. It ends when
 * it is deleted, when it expires, or with the process that it is tied to. It may name resources that do not exist yet.
 * No call finds a lease that has ended.
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
 * A lease does not hold what its resources refer to: a pull names every blob of the image.
 *
 * The rules are containerd's (core/leases). Its names of the types are plural, and the type of snapshots includes the
 * snapshotter's name.
 */
export interface Leases {
  /** @throws OverlayerError `AlreadyExists`, `InvalidArgument` (an invalid id, label or time) */
  create(options?: CreateLeaseOptions): Promise<Lease>;
  /** Ends a lease. The next collection deletes what nothing else holds. @throws OverlayerError `NotFound` */
  delete(id: string): Promise<void>;
  /** Undefined when there is no such lease, or it has ended. @throws OverlayerError `InvalidArgument` (not an id) */
  find(id: string): Promise<Lease | undefined>;
  /**
   * All leases in the order of their ids. Filters know the fields `id` and `labels.NAME`.
   *
   * @throws OverlayerError `InvalidArgument` (an invalid filter)
   */
  list(options?: ListOptions): Promise<readonly Lease[]>;
  /** Makes a lease hold something. A second time does nothing. @throws OverlayerError `NotFound` (no such lease), `InvalidArgument` */
  add(id: string, resource: LeaseResource): Promise<void>;
  /** Ends the hold on something. Does nothing when there is none. @throws OverlayerError `NotFound` (no such lease) */
  remove(id: string, resource: LeaseResource): Promise<void>;
  /** The resources that a lease holds. @throws OverlayerError `NotFound` */
  resources(id: string): Promise<readonly LeaseResource[]>;
}

/** The record of a lease. */
export interface Lease {
  readonly id: string;
  readonly labels: Labels;
  readonly createdAt: Date;
  /** The time in the label `containerd.io/gc.expire`; undefined when the lease does not expire. */
  readonly expiresAt: Date | undefined;
  /** Id of the process that the lease is tied to, as that process sees it; undefined when it is tied to none. */
  readonly process: number | undefined;
}

/** Id, labels and end of a lease. */
export interface CreateLeaseOptions {
  /** Id of 256 bytes at most. @default a random id */
  readonly id?: string | undefined;
  readonly labels?: Labels | undefined;
  /** The same as the label `containerd.io/gc.expire` with that time. @default the time in the label, else never */
  readonly expiresAt?: Date | undefined;
  /** The lease ends with this process, also when the process is killed. @default false */
  readonly tiedToProcess?: boolean | undefined;
}

export const CREATE_LEASE_OPTIONS = {
  id: 'string',
  labels: 'object',
  expiresAt: 'date',
  tiedToProcess: 'boolean',
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
