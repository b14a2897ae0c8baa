/**
 * Bytes on their way from whoever has some now and then to whoever takes all there are, in two memories by turns: what is
 * taken stays as it is until the next is. New memory for each piece would bring on collections of all memory: they took a
 * fifth of the time in which a body was received.
 */
export class Halves {
  #filling = Buffer.alloc(0);
  #taken = Buffer.alloc(0);
  #length = 0;

  /** Bytes to take. */
  get length(): number {
    return this.#length;
  }

  /** Copies them. How many there may be is for the caller to say: there is room for all. */
  add(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > this.#filling.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, 2 * this.#filling.length));
      larger.set(this.#filling.subarray(0, this.#length));
      this.#filling = larger;
    }
    this.#filling.set(bytes, this.#length);
    this.#length = length;
  }

  take(): Uint8Array {
    const taken = this.#filling.subarray(0, this.#length);
    [this.#filling, this.#taken] = [this.#taken, this.#filling];
    this.#length = 0;
    return taken;
  }
}
