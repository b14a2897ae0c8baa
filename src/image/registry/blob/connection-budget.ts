import { Semaphore } from '../../../base/threads/semaphore.js';

/** Limits the connections over which the blobs of a registry are fetched at once. */
export class ConnectionBudget {
  readonly #places: Semaphore;
  #most: number;

  constructor(most: number) {
    this.#most = most;
    this.#places = new Semaphore(most);
  }

  /** Counts a connection that is open in any case: each blob has one. Returns a function that ends it. */
  occupy(): () => void {
    this.#places.narrow();
    let isOccupied = true;
    return () => {
      if (isOccupied) this.#places.widen();
      isOccupied = false;
    };
  }

  /** Waits for a further connection. Returns a function that ends it. @throws `signal.reason` */
  async enter(signal: AbortSignal): Promise<() => void> {
    return await this.#places.enter(signal);
  }

  /** Removes a connection, down to one: the server has refused a request because it has too many. */
  narrow(): void {
    if (this.#most === 1) return;
    this.#most -= 1;
    this.#places.narrow();
  }
}
