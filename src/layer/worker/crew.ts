import { availableParallelism } from 'node:os';
import { createPipelineMemory, Pipeline } from './pipeline.js';
import { Thread } from './thread.js';

/** The three threads of one unpack and the memory they share. */
export class Crew {
  readonly pipeline: Pipeline;
  readonly decode: Thread;
  readonly hash: Thread;
  readonly apply: Thread;

  constructor() {
    const memory = createPipelineMemory();
    this.pipeline = new Pipeline(memory);
    this.decode = new Thread('decode', memory);
    this.apply = new Thread('apply', memory);
    this.hash = new Thread('hash', memory);
  }

  get broken(): boolean {
    return this.decode.broken || this.hash.broken || this.apply.broken;
  }

  async terminate(): Promise<void> {
    await Promise.all([this.decode.terminate(), this.hash.terminate(), this.apply.terminate()]);
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

  async use<T>(work: (crew: Crew) => Promise<T>): Promise<T> {
    const crew = await this.#take();
    try {
      return await work(crew);
    } finally {
      this.#giveBack(crew);
    }
  }

  #take(): Crew | Promise<Crew> {
    if (this.#working < this.#size) {
      this.#working += 1;
      return this.#idle.pop() ?? new Crew();
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #giveBack(crew: Crew): void {
    if (crew.broken) void crew.terminate();
    const usable = crew.broken ? new Crew() : crew;
    const next = this.#queue.shift();
    if (next !== undefined) return next(usable);
    this.#working -= 1;
    this.#idle.push(usable);
  }
}

/** What `unpackLayer` and `planLayer` run on; its threads start with the first layer. */
export const crews = new CrewPool();
