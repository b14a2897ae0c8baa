import type { OptionNames } from '../base/check-arguments.js';
import type { ListOptions } from '../metadata/filter-by.js';
import type { Labels } from '../metadata/labels.js';

/**
 * # Leases
 *
 * A lease keeps what it names from the garbage collection, in all processes, until it ends: it is deleted, it expires,
 * or the process ends that it is tied to. It may name what is not there yet. No call finds a lease that has ended.
 *
 * Whoever relies on something that nothing refers to yet holds a lease on it *before* looking whether it is there, and
 * until something refers to it. Then there is no moment at which a collection could take it:
 *
 * ```ts
 * const { id } = await content.leases.create({ tiedToProcess: true });
 * for (const { digest } of blobs) await content.leases.add(id, { type: 'content', id: digest });
 * // … ingest the blobs, record the image …
 * await content.leases.delete(id);
 * ```
 *
 * It holds what it names, and not what that refers to: a pull names every blob of the image.
 *
 * (containerd: core/leases. Its types are plural there, and that of snapshots has the snapshotter's name.)
 */
export interface Leases {
  /** @throws OverlayerError `AlreadyExists`, `InvalidArgument` (an id, a label, a time that can't be) */
  create(options?: CreateLeaseOptions): Promise<Lease>;
  /** What it held is the next collection's, unless something else holds it. @throws OverlayerError `NotFound` */
  delete(id: string): Promise<void>;
  /** Undefined when there is no such lease, or it has ended. @throws OverlayerError `InvalidArgument` (not an id) */
  find(id: string): Promise<Lease | undefined>;
  /** All leases in the order of their ids. Filters know the fields `id` and `labels.NAME`. @throws OverlayerError `InvalidArgument` (a filter that can't be read) */
  list(options?: ListOptions): Promise<readonly Lease[]>;
  /** A second time does nothing. @throws OverlayerError `NotFound` (no such lease), `InvalidArgument` */
  add(id: string, resource: LeaseResource): Promise<void>;
  /** Fine when it does not hold it. @throws OverlayerError `NotFound` (no such lease) */
  remove(id: string, resource: LeaseResource): Promise<void>;
  /** @throws OverlayerError `NotFound` */
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
