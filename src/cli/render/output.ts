import { once } from 'node:events';

const FLUSH_LENGTH = 64 * 1024;

/** Standard output for long listings: written in large pieces, and never faster than it is read. */
export class BufferedOutput {
  #text = '';

  async write(text: string): Promise<void> {
    this.#text += text;
    if (this.#text.length >= FLUSH_LENGTH) await this.flush();
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = '';
    if (text !== '' && !process.stdout.write(text)) await once(process.stdout, 'drain');
  }
}
