import { availableParallelism } from 'node:os';
import { createPipelineMemory, Pipeline, type PipelineMemory } from './pipeline.js';
import { Thread } from './thread.js';

/** The threads of one unpack and the memory they share. Each thread takes 35 ms of processor time to start. */
export class Crew {
  readonly pipeline: Pipeline;
  readonly decode: Thread;
  readonly apply: Thread;
  readonly #memory: PipelineMemory;
  #hash: Thread | undefined;

  constructor() {
    this.#memory = createPipelineMemory();
    this.pipeline = new Pipeline(this.#memory);
    this.decode = new Thread('decode', this.#memory);
    this.apply = new Thread('apply', this.#memory);
  }

  /** Started when something is to be hashed. */
  get hash(): Thread {
    this.#hash ??= new Thread('hash', this.#memory);
    return this.#hash;
  }

  get broken(): boolean {
    return this.decode.broken || this.apply.broken || this.#hash?.broken === true;
  }

  async terminate(): Promise<void> {
    await Promise.all([this.decode.terminate(), this.apply.terminate(), this.#hash?.terminate()]);
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
    if (next !== undefined) {
      next(usable);
      return;
    }
    this.#working -= 1;
    this.#idle.push(usable);
  }
}

/** What `unpackLayer` and `planLayer` run on; its threads start with the first layer. */
export const crews = new CrewPool();
