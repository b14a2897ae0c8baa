import type { CommitIngestOptions, OpenIngestOptions } from '../../src/content/content-store.js';
import type { Labels } from '../../src/metadata/labels.js';
import type { Digest } from '../../src/oci/digest.js';
import { digestOf } from './use-content.js';

type SizeIs = NonNullable<OpenIngestOptions['sizeIs']>;

interface ModelIngest {
  text: string;
  size: number | undefined;
  /** By its writer, if it has one. */
  expected: { readonly digest: Digest | undefined; readonly sizeIs: SizeIs } | undefined;
}

export type Step =
  | { readonly do: 'put'; readonly text: string; readonly labels: Labels }
  | {
      readonly do: 'open';
      readonly ref: string;
      readonly text: string | undefined;
      readonly sized: boolean;
      readonly sizeIs: SizeIs;
    }
  | { readonly do: 'write'; readonly ref: string; readonly text: string }
  | { readonly do: 'truncate'; readonly ref: string; readonly length: number }
  | {
      readonly do: 'commit';
      readonly ref: string;
      readonly text: string | undefined;
      readonly labels: Labels;
      readonly hashed: boolean;
      readonly existing: NonNullable<CommitIngestOptions['existing']>;
    }
  | { readonly do: 'close' | 'abort'; readonly ref: string }
  | { readonly do: 'delete'; readonly text: string }
  | {
      readonly do: 'update';
      readonly text: string;
      readonly labels: Labels;
      readonly name: string | undefined;
    }
  | { readonly do: 'lease' | 'release'; readonly lease: string }
  | { readonly do: 'hold' | 'let go'; readonly lease: string; readonly text: string }
  | { readonly do: 'hold ingest'; readonly lease: string; readonly ref: string }
  | { readonly do: 'sweep'; readonly marked: readonly string[] }
  | { readonly do: 'reopen' };

/** What a content store does, in memory. Each step gives `ok`, or the code with which it is refused. */
export class Model {
  readonly blobs = new Map<Digest, { readonly text: string; readonly labels: Labels }>();
  readonly ingests = new Map<string, ModelIngest>();
  readonly leases = new Map<string, Set<string>>();

  step(step: Step): string {
    switch (step.do) {
      case 'put':
        this.#put(step.text, step.labels);
        return 'ok';
      case 'open':
        return this.#open(step);
      case 'write':
        return this.#write(step.ref, step.text);
      case 'truncate':
        return this.#truncate(step.ref, step.length);
      case 'commit':
        return this.#commit(step);
      case 'close':
        this.#close(step.ref);
        return 'ok';
      case 'abort':
        return this.#abort(step.ref);
      case 'delete':
        return this.blobs.delete(digestOf(step.text)) ? 'ok' : 'NotFound';
      case 'update':
        return this.#update(step);
      case 'lease':
        if (this.leases.has(step.lease)) return 'AlreadyExists';
        this.leases.set(step.lease, new Set());
        return 'ok';
      case 'release':
        return this.leases.delete(step.lease) ? 'ok' : 'NotFound';
      case 'hold':
        return this.#withLease(step.lease, (held) => held.add(`content ${digestOf(step.text)}`));
      case 'hold ingest':
        return this.#withLease(step.lease, (held) => held.add(`ingest ${step.ref}`));
      case 'let go':
        return this.#withLease(step.lease, (held) => held.delete(`content ${digestOf(step.text)}`));
      case 'sweep':
        this.#sweep(step.marked);
        return 'ok';
      case 'reopen':
        for (const ref of this.ingests.keys()) this.#close(ref);
        return 'ok';
      default:
        return step satisfies never;
    }
  }

  #open({ ref, text, sized, sizeIs }: Extract<Step, { do: 'open' }>): string {
    const size = sized ? text?.length : undefined;
    const there = this.ingests.get(ref);
    if (text !== undefined && this.blobs.has(digestOf(text))) return 'AlreadyExists';
    if (there?.expected !== undefined) return 'Unavailable';
    const known = there?.size ?? size;
    const isPast = sizeIs === 'limit' && known !== undefined && (there?.text.length ?? 0) > known;
    if ((size ?? known) !== known || isPast) return 'FailedPrecondition';
    const expected = { digest: text === undefined ? undefined : digestOf(text), sizeIs };
    this.ingests.set(ref, { text: there?.text ?? '', size: known, expected });
    return 'ok';
  }

  #write(ref: string, text: string): string {
    const ingest = this.#written(ref);
    if (ingest === undefined) return 'FailedPrecondition';
    const isLimited = ingest.expected?.sizeIs === 'limit' && ingest.size !== undefined;
    if (isLimited && ingest.text.length + text.length > ingest.size!) return 'ResourceExhausted';
    ingest.text += text;
    return 'ok';
  }

  #truncate(ref: string, length: number): string {
    const ingest = this.#written(ref);
    if (ingest === undefined) return 'FailedPrecondition';
    if (length > ingest.text.length) return 'InvalidArgument';
    ingest.text = ingest.text.slice(0, length);
    return 'ok';
  }

  #commit({ ref, text, labels, existing }: Extract<Step, { do: 'commit' }>): string {
    const ingest = this.#written(ref);
    if (ingest === undefined) return 'FailedPrecondition';
    const digest = digestOf(ingest.text);
    const expected = text === undefined ? ingest.expected?.digest : digestOf(text);
    if ((ingest.size ?? ingest.text.length) !== ingest.text.length || (expected ?? digest) !== digest)
      return 'FailedPrecondition';
    this.ingests.delete(ref);
    for (const held of this.leases.values()) if (held.delete(`ingest ${ref}`)) held.add(`content ${digest}`);
    if (existing === 'refuse' && this.blobs.has(digest)) return 'AlreadyExists';
    this.#put(ingest.text, labels);
    return 'ok';
  }

  #put(text: string, labels: Labels): void {
    const before = this.blobs.get(digestOf(text))?.labels;
    this.blobs.set(digestOf(text), { text, labels: { ...before, ...labels } });
  }

  #abort(ref: string): string {
    const ingest = this.ingests.get(ref);
    if (ingest === undefined) return 'NotFound';
    if (ingest.expected !== undefined) return 'Unavailable';
    this.ingests.delete(ref);
    return 'ok';
  }

  #update({ text, labels, name }: Extract<Step, { do: 'update' }>): string {
    const digest = digestOf(text);
    const before = this.blobs.get(digest);
    if (before === undefined) return 'NotFound';
    const { [name ?? '']: _, ...others } = before.labels;
    const changed = name === undefined ? labels : { ...others, ...pick(labels, name) };
    this.blobs.set(digest, { text, labels: changed });
    return 'ok';
  }

  #sweep(marked: readonly string[]): void {
    const held = new Set([...this.leases.values()].flatMap((resources) => [...resources]));
    for (const [digest, { text }] of this.blobs)
      if (!marked.includes(text) && !held.has(`content ${digest}`)) this.blobs.delete(digest);
  }

  #withLease(lease: string, change: (held: Set<string>) => void): string {
    const held = this.leases.get(lease);
    if (held === undefined) return 'NotFound';
    change(held);
    return 'ok';
  }

  #close(ref: string): void {
    const ingest = this.ingests.get(ref);
    if (ingest !== undefined) ingest.expected = undefined;
  }

  #written(ref: string): ModelIngest | undefined {
    const ingest = this.ingests.get(ref);
    return ingest?.expected === undefined ? undefined : ingest;
  }
}

function pick(labels: Labels, name: string): Labels {
  const value = labels[name];
  return value === undefined ? {} : { [name]: value };
}
