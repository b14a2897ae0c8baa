/** Resources until the end of some work. `AsyncDisposableStack` does the same, and Node.js 20 does not have it. */
export class HeldResources implements AsyncDisposable {
  readonly #held: AsyncDisposable[] = [];

  hold<Resource extends AsyncDisposable | undefined>(resource: Resource): Resource {
    if (resource !== undefined) this.#held.push(resource);
    return resource;
  }

  /** Frees the latest first, and the others also after a failure. */
  async [Symbol.asyncDispose](): Promise<void> {
    const latest = this.#held.pop();
    if (latest === undefined) return;
    try {
      await latest[Symbol.asyncDispose]();
    } finally {
      await this[Symbol.asyncDispose]();
    }
  }
}
