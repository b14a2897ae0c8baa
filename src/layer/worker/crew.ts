import { availableParallelism } from 'node:os';
import { createPipelineMemory, Pipeline } from './pipeline.js';
import { Thread } from './thread.js';

/** The two threads of one unpack, or diff, and the memory they share. Each takes 35 ms of processor time to start. */
export class Crew {
  readonly pipeline: Pipeline;
  readonly decode: Thread;
  readonly apply: Thread;

  constructor() {
    const memory = createPipelineMemory();
    this.pipeline = new Pipeline(memory);
    this.decode = new Thread('decode', memory);
    this.apply = new Thread('apply', memory);
  }

  get broken(): boolean {
    return this.decode.broken || this.apply.broken;
  }

  async terminate(): Promise<void> {
    await Promise.all([this.decode.terminate(), this.apply.terminate()]);
  }
}

/** Crews are kept: starting one takes 50 ms. As many work at once as there are cores; the rest wait their turn. */
export class CrewPool {
  readonly #idle: Crew[] = [];
  readonly #queue: ((crew: Crew) => void)[] = [];
  readonly #size: number;
  #working = 0;

  constructor(size = availableParallelism()) {
    this.#size = size;
  }

  /** Starts a crew, unless one is there. */
  warmUp(): void {
    if (this.#working === 0 && this.#idle.length === 0) this.#idle.push(new Crew());
  }

  /** @throws `signal.reason` when the signal ends the wait for a crew */
  async use<T>(work: (crew: Crew) => Promise<T>, signal?: AbortSignal): Promise<T> {
    const crew = await this.take(signal);
    try {
      return await work(crew);
    } finally {
      this.giveBack(crew);
    }
  }

  /** For work that is no promise. @throws as `use` */
  take(signal?: AbortSignal): Crew | Promise<Crew> {
    if (this.#working < this.#size) {
      this.#working += 1;
      return this.#idle.pop() ?? new Crew();
    }
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#queue.splice(this.#queue.indexOf(turn), 1);
        reject(signal?.reason);
      };
      const turn = (crew: Crew) => {
        signal?.removeEventListener('abort', leave);
        resolve(crew);
      };
      this.#queue.push(turn);
      signal?.addEventListener('abort', leave, { once: true });
    });
  }

  giveBack(crew: Crew): void {
    if (crew.broken) void crew.terminate();
    const usable = crew.broken ? new Crew() : crew;
    const next = this.#queue.shift();
    if (next !== undefined) {
      next(usable);
      return;
    }
    this.#working -= 1;
    this.#idle.push(usable);
  }
}

/** What `unpackLayer`, `planLayer` and `createDiff` run on; its threads start with the first layer. */
export const crews = new CrewPool();
