import { randomBytes } from 'node:crypto';
import { checkArgument, checkOptions } from '../base/check-arguments.js';
import { OverlayerError } from '../base/errors.js';
import { filterBy, LIST_OPTIONS, type ListOptions } from '../metadata/filter-by.js';
import { labelOf } from '../metadata/labels.js';
import type { MetadataStore, WriteTransaction } from '../metadata/metadata-store.js';
import { checkName } from '../metadata/name.js';
import { parseDigest } from '../oci/digest.js';
import type { LeaseHolds } from './lease-holds.js';
import {
  addResource,
  createLease,
  EXPIRE_LABEL,
  findLease,
  getLease,
  type LeaseEnds,
  listLeases,
  listResources,
  releaseLease,
  removeResource,
} from './lease-records.js';
import {
  CREATE_LEASE_OPTIONS,
  type CreateLeaseOptions,
  type Lease,
  type LeaseResource,
  type Leases,
} from './leases.js';

/** A key of the metadata store contains the id and the name of a resource. */
const MAX_ID_BYTES = 256;

/** Leases in a metadata store, with locks for those that are tied to processes. */
export class StoredLeases implements Leases {
  readonly #metadata: MetadataStore;
  readonly #holds: LeaseHolds;

  constructor(metadata: MetadataStore, holds: LeaseHolds) {
    this.#metadata = metadata;
    this.#holds = holds;
  }

  async create(options: CreateLeaseOptions = {}): Promise<Lease> {
    checkOptions('leases.create', options, CREATE_LEASE_OPTIONS);
    const { id = newId(), labels = {}, expiresAt, tiedToProcess = false } = options;
    checkId(id);
    if (Number.isNaN(expiresAt?.getTime()))
      throw new OverlayerError('InvalidArgument', `Lease "${id}" can't expire at an invalid date`);
    const all = expiresAt === undefined ? labels : { ...labels, [EXPIRE_LABEL]: expiresAt.toISOString() };
    const record = { id, labels: all, process: tiedToProcess ? process.pid : null };
    const create = (ends: LeaseEnds) =>
      this.#metadata.write((transaction) => createLease(transaction, record, ends));
    if (!tiedToProcess) return await create(this.#ends());
    // The lock comes first, because a lease without its lock counts as ended. A record with this id has ended: no
    // running process has the lock.
    this.#holds.take(id);
    try {
      return await create({ now: Date.now(), isHeld: () => false });
    } catch (error) {
      this.#holds.end(id);
      throw error;
    }
  }

  async delete(id: string): Promise<void> {
    await this.#change(id, (transaction) => releaseLease(transaction, id));
    this.#holds.end(id);
  }

  async find(id: string): Promise<Lease | undefined> {
    checkId(id);
    return this.#metadata.read((transaction) => findLease(transaction, id, this.#ends()));
  }

  async list(options: ListOptions = {}): Promise<readonly Lease[]> {
    checkOptions('leases.list', options, LIST_OPTIONS);
    const { filters = [], signal } = options;
    signal?.throwIfAborted();
    const passes = await filterBy(filters);
    const leases = this.#metadata.read((transaction) => [...listLeases(transaction, this.#ends())]);
    return leases.filter(({ id, labels }) =>
      passes(([field, ...rest]) => {
        if (field === 'labels') return labelOf(labels, rest.join('.'));
        return field === 'id' && rest.length === 0 ? id : undefined;
      }),
    );
  }

  async add(id: string, resource: LeaseResource): Promise<void> {
    checkResource(resource);
    await this.#change(id, (transaction) => addResource(transaction, id, resource));
  }

  async remove(id: string, resource: LeaseResource): Promise<void> {
    checkResource(resource);
    await this.#change(id, (transaction) => removeResource(transaction, id, resource));
  }

  async resources(id: string): Promise<readonly LeaseResource[]> {
    checkId(id);
    return this.#metadata.read((transaction) => {
      getLease(transaction, id, this.#ends());
      return [...listResources(transaction, id)];
    });
  }

  #ends(): LeaseEnds {
    return { now: Date.now(), isHeld: (id) => this.#holds.isHeld(id) };
  }

  async #change(id: string, change: (transaction: WriteTransaction) => void): Promise<void> {
    checkId(id);
    await this.#metadata.write((transaction) => {
      getLease(transaction, id, this.#ends());
      change(transaction);
    });
  }
}

function checkId(id: string): void {
  checkName('Id of a lease', id, MAX_ID_BYTES);
}

function newId(): string {
  return randomBytes(12).toString('hex');
}

function checkResource(resource: LeaseResource): void {
  checkArgument('resource', resource, 'object');
  const { id } = resource;
  switch (resource.type) {
    case 'content':
      parseDigest(id);
      return;
    case 'ingest':
    case 'snapshot':
    case 'image':
      checkName(`Resource of a lease (${resource.type})`, id);
      return;
    default: {
      resource.type satisfies never;
      throw new OverlayerError('InvalidArgument', `A lease can't hold ${JSON.stringify(resource)}`, {
        hint: 'the types are content, ingest, snapshot and image',
      });
    }
  }
}
