import type { Socket } from 'node:net';

/** The connections that are open. */
export class Connections {
  readonly #open = new Set<Socket>();

  add(connection: Socket): void {
    this.#open.add(connection);
    connection.once('close', () => this.#open.delete(connection));
  }

  /** Resolves as soon as nobody is connected. */
  async none(): Promise<void> {
    for (const connection of this.#open)
      await new Promise<void>((resolve) => connection.once('close', () => resolve()));
  }
}
