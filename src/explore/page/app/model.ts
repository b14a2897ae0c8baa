import { COMPARISON_WORDS, HISTORY_WORDS, type PageData, type PageKind, WHATS } from '../page-format.js';

type What = (typeof WHATS)[number];

export interface Version {
  readonly layer: number;
  readonly what: What;
  readonly before: number;
  readonly after: number;
}

export interface Difference extends Omit<Version, 'layer'> {
  readonly node: number;
}

export const ROOT = 0;
const SETUID_OR_SETGID = 0o6000;

/** The tree of the page. A node is a number: the nodes below one stand right behind it. */
export class Model {
  readonly data: PageData;
  readonly count: number;
  /** The first node behind those that are below a node. */
  readonly end: Int32Array;
  readonly parent: Int32Array;
  /** Bytes of a file, or of the files below a directory, that are in the image. */
  readonly bytes: Float64Array;
  /** Entries of the image below a directory. */
  readonly entries: Int32Array;
  /** Seconds. */
  readonly time: Float64Array;
  readonly differences: readonly Difference[];
  readonly #links: ReadonlyMap<number, string>;
  readonly #history = new Map<number, Version[]>();
  readonly #largest = new Map<number, readonly number[]>();
  #haystack: readonly string[] | undefined;
  #bySize: Int32Array | undefined;

  constructor(data: PageData) {
    this.data = data;
    const { depth, size, layer, time } = data.nodes;
    this.count = depth.length;
    this.end = new Int32Array(this.count);
    this.parent = new Int32Array(this.count);
    this.bytes = new Float64Array(this.count);
    this.entries = new Int32Array(this.count);
    this.time = new Float64Array(this.count);
    const open: number[] = [];
    for (let node = 0; node < this.count; node++) {
      while (open.length > depth[node]!) this.end[open.pop()!] = node;
      this.parent[node] = open.at(-1) ?? ROOT;
      open.push(node);
      this.time[node] = (node === 0 ? 0 : this.time[node - 1]!) + time[node]!;
    }
    for (const node of open) this.end[node] = this.count;
    for (let node = this.count - 1; node >= 0; node--) {
      if (layer[node]! < 0) continue;
      if (!this.isDirectory(node)) this.bytes[node] = size[node]!;
      if (node === ROOT) continue;
      this.bytes[this.parent[node]!]! += this.bytes[node]!;
      this.entries[this.parent[node]!]! += this.entries[node]! + 1;
    }
    this.#links = new Map(data.links);
    const { history } = data;
    for (let at = 0; at < history.length; at += HISTORY_WORDS) {
      const [node, ofLayer, what, before, after] = history.slice(at, at + HISTORY_WORDS) as [
        number,
        number,
        number,
        number,
        number,
      ];
      const versions = this.#history.get(node) ?? [];
      if (versions.push({ layer: ofLayer, what: WHATS[what]!, before, after }) === 1)
        this.#history.set(node, versions);
    }
    const changes = data.comparison?.changes ?? [];
    const differences: Difference[] = [];
    for (let at = 0; at < changes.length; at += COMPARISON_WORDS) {
      const [node, what, before, after] = changes.slice(at, at + COMPARISON_WORDS) as [
        number,
        number,
        number,
        number,
      ];
      differences.push({ node, what: WHATS[what]!, before, after });
    }
    this.differences = differences;
  }

  nameOf(node: number): string {
    return this.data.names[this.data.nodes.name[node]!]!;
  }

  kindOf(node: number): PageKind {
    return this.data.kinds[this.data.nodes.kind[node]!]!;
  }

  layerOf(node: number): number {
    return this.data.nodes.layer[node]!;
  }

  depthOf(node: number): number {
    return this.data.nodes.depth[node]!;
  }

  linkOf(node: number): string | undefined {
    return this.#links.get(node);
  }

  /** Bytes to show: of a path that is not in the image, the last ones that it had. */
  sizeOf(node: number): number {
    return this.isInImage(node) ? this.bytes[node]! : this.data.nodes.size[node]!;
  }

  isInImage(node: number): boolean {
    return this.layerOf(node) >= 0;
  }

  isDirectory(node: number): boolean {
    return this.kindOf(node)[0] === 'directory';
  }

  isSetuid(node: number): boolean {
    const [type, mode] = this.kindOf(node);
    return type === 'file' && (mode & SETUID_OR_SETGID) !== 0 && this.isInImage(node);
  }

  /** With a slash at its beginning. */
  pathOf(node: number): string {
    const names: string[] = [];
    for (let at = node; at !== ROOT; at = this.parent[at]!) names.push(this.nameOf(at));
    return `/${names.reverse().join('/')}`;
  }

  /** What layers did to a path, the lowest first. */
  historyOf(node: number): readonly Version[] {
    const only = {
      layer: this.layerOf(node),
      what: 'added',
      before: 0,
      after: this.data.nodes.size[node]!,
    } as const;
    return this.#history.get(node) ?? (this.isInImage(node) ? [only] : []);
  }

  /** Several layers have the path, or removed it. */
  hasHistory(node: number): boolean {
    return this.#history.has(node);
  }

  /** The entries of a directory that are in the image, the largest first. */
  largestIn(directory: number): readonly number[] {
    let children = this.#largest.get(directory);
    if (children === undefined) {
      children = this.childrenOf(directory).sort((one, other) => this.bytes[other]! - this.bytes[one]!);
      this.#largest.set(directory, children);
    }
    return children;
  }

  /** The entries of a directory that are in the image, in the order of their names. */
  childrenOf(directory: number): number[] {
    const children: number[] = [];
    for (let node = directory + 1; node < this.end[directory]!; node = this.end[node]!)
      if (this.isInImage(node)) children.push(node);
    return children;
  }

  /** The layer that most bytes below a node are from. */
  mainLayerOf(node: number): number {
    if (!this.isDirectory(node)) return this.layerOf(node);
    const sums = new Float64Array(this.data.layers.length);
    for (let at = node; at < this.end[node]!; at++)
      if (this.isInImage(at) && !this.isDirectory(at)) sums[this.layerOf(at)]! += this.bytes[at]!;
    const most = Math.max(...sums);
    return most === 0 ? this.layerOf(node) : sums.indexOf(most);
  }

  /** Prepares the search: 100 ms for 100,000 paths, once. */
  prepareSearch(): void {
    void this.haystack;
    void this.bySize;
  }

  /** All nodes without the root, the largest first. */
  get bySize(): Int32Array {
    this.#bySize ??= Int32Array.from({ length: this.count - 1 }, (_, at) => at + 1).sort(
      (one, other) => this.sizeOf(other) - this.sizeOf(one) || one - other,
    );
    return this.#bySize;
  }

  /** Paths in small letters, for the search. */
  get haystack(): readonly string[] {
    if (this.#haystack === undefined) {
      const names = this.data.names.map((name) => name.toLowerCase());
      const paths = [''];
      for (let node = 1; node < this.count; node++)
        paths.push(`${paths[this.parent[node]!]!}/${names[this.data.nodes.name[node]!]!}`);
      this.#haystack = paths;
    }
    return this.#haystack;
  }
}
