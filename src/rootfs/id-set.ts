const FREE = -1;
const GONE = -2;
const FIRST_PLACES = 64;

/** A set of `statId`s. Each takes 11 to 32 bytes; in a set of strings it would take 100. */
export class IdSet {
  readonly #inodes = new Map<string, InodeSet>();
  readonly #keep: (bytes: number) => void;

  /** @param keep called with the bytes of memory that the set allocates */
  constructor(keep: (bytes: number) => void) {
    this.#keep = keep;
  }

  has(id: string): boolean {
    const { device, inode } = parse(id);
    return this.#inodes.get(device)?.has(inode) === true;
  }

  add(id: string): void {
    const { device, inode } = parse(id);
    const inodes = this.#inodes.get(device) ?? new InodeSet(this.#keep);
    this.#inodes.set(device, inodes);
    inodes.add(inode);
  }

  delete(id: string): void {
    const { device, inode } = parse(id);
    this.#inodes.get(device)?.delete(inode);
  }
}

function parse(id: string): { readonly device: string; readonly inode: number } {
  const colon = id.lastIndexOf(':');
  return { device: id.slice(0, colon), inode: Number(id.slice(colon + 1)) };
}

/** A hash table with linear probing. The file system chooses the inodes, so a layer can't cause collisions. */
class InodeSet {
  readonly #keep: (bytes: number) => void;
  #places: Float64Array;
  /** Places that are not free, including those of deleted inodes. */
  #taken = 0;

  constructor(keep: (bytes: number) => void) {
    this.#keep = keep;
    this.#places = this.#table(FIRST_PLACES);
  }

  has(inode: number): boolean {
    return this.#places[this.#placeOf(inode)] === inode;
  }

  add(inode: number): void {
    const place = this.#placeOf(inode);
    if (this.#places[place] === inode) return;
    this.#places[place] = inode;
    this.#taken += 1;
    if (this.#taken * 4 > this.#places.length * 3) this.#grow();
  }

  delete(inode: number): void {
    const place = this.#placeOf(inode);
    if (this.#places[place] === inode) this.#places[place] = GONE;
  }

  #grow(): void {
    const inodes = this.#places.filter((inode) => inode >= 0);
    this.#places = this.#table(
      inodes.length * 2 > this.#places.length ? this.#places.length * 2 : this.#places.length,
    );
    for (const inode of inodes) this.#places[this.#placeOf(inode)] = inode;
    this.#taken = inodes.length;
  }

  #table(places: number): Float64Array {
    this.#keep((places - (this.#places?.length ?? 0)) * Float64Array.BYTES_PER_ELEMENT);
    return new Float64Array(places).fill(FREE);
  }

  /** The place of an inode, or the free place for it. Fibonacci hashing scatters consecutive inodes. */
  #placeOf(inode: number): number {
    const places = this.#places;
    const last = places.length - 1;
    const scattered = Math.imul((inode / 2 ** 32) ^ inode, 0x9e3779b1) >>> 0;
    for (let place = Math.floor((scattered / 2 ** 32) * places.length); ; place = (place + 1) & last)
      if (places[place] === FREE || places[place] === inode) return place;
  }
}
