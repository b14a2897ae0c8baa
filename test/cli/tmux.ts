import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { MAIN, temporaryDirectory } from './helpers.js';

/** A real terminal: a shell in tmux, where `overlayer` is the built program. */
export class Terminal {
  readonly #socket: string;
  readonly #record: string;

  constructor(shell: string, directory: string, [columns, rows] = [120, 40] as readonly [number, number]) {
    const own = temporaryDirectory();
    this.#socket = join(own, 'tmux');
    this.#record = join(own, 'record');
    const size = ['-x', String(columns), '-y', String(rows)];
    this.#tmux('-f', '/dev/null', 'new-session', '-d', ...size, '-c', directory, shell);
    onTestFinished(() => void this.#tmux('kill-server'));
    this.#tmux('pipe-pane', `cat > ${this.#record}`);
    this.run(`overlayer() { ${process.execPath} ${MAIN} "$@"; }; PS1='$ '; clear`);
  }

  run(command: string): void {
    this.type(command, 'Enter');
  }

  /** Text, and keys by their tmux names. */
  type(...keys: readonly string[]): void {
    this.#tmux('send-keys', ...keys);
  }

  screen(): string {
    return this.#tmux('capture-pane', '-p').trimEnd();
  }

  /** The screen with escapes for colours and styles. */
  styledScreen(): string {
    return this.#tmux('capture-pane', '-p', '-e').trimEnd();
  }

  /** Everything the terminal was ever sent. */
  record(): string {
    return readFileSync(this.#record, 'utf8');
  }

  async shows(what: RegExp): Promise<void> {
    await expect.poll(() => this.screen(), { timeout: 30_000, interval: 50 }).toMatch(what);
  }

  #tmux(...args: readonly string[]): string {
    return execFileSync('tmux', ['-S', this.#socket, ...args], { encoding: 'utf8' });
  }
}
