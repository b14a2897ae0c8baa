import { DATA, GATE_WORDS, Gate } from '../../base/gate.js';
import { Ring, ringWords } from '../../base/ring.js';
import { FILE_QUEUE_BYTES, FILE_QUEUE_WORDS } from './file-slots.js';

/** Small enough to stay in a core's cache, large enough that threads seldom wait: 512 KiB costs 6 % more time, 8 MiB no less. */
const INPUT_BYTES = 4 * 1024 * 1024;
const OUTPUT_BYTES = 4 * 1024 * 1024;

/** Most that a thread takes at once, so that the others get their turn. */
export const STEP_BYTES = 128 * 1024;

/** Who reads the compressed bytes; for a plain tar they are the archive. */
export const INPUT_READERS = { decode: 0, apply: 1 } as const;
/** Who reads the uncompressed bytes. */
export const OUTPUT_READERS = { apply: 0 } as const;

/** What the threads share of the `SharedDigest` of a ring. */
export interface DigestMemory {
  /** A lock, and the position up to which was hashed. */
  readonly control: Int32Array;
  /** Holds the handle of the digest in work. */
  readonly handle: Float64Array;
}

const DIGEST_WORDS = 2;

const UNDECIDED = 0;
const PLAIN = 1;
const COMPRESSED = 2;

const MODE = GATE_WORDS;
const IN_FLIGHT = MODE + 1;
const INPUT = IN_FLIGHT + 1;
const OUTPUT = INPUT + ringWords(2);
const INPUT_DIGEST = OUTPUT + ringWords(1);
const OUTPUT_DIGEST = INPUT_DIGEST + DIGEST_WORDS;
const FILES = OUTPUT_DIGEST + DIGEST_WORDS;
/** Floating-point words: counts, and behind them the handle of each digest. */
const COUNTERS = 3;

const CONTROL_WORDS = FILES + FILE_QUEUE_WORDS;

/** What the threads of one unpack share. */
export interface PipelineMemory {
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
  readonly files: SharedArrayBuffer;
}

export function createPipelineMemory(): PipelineMemory {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    counters: new SharedArrayBuffer((COUNTERS + 2) * 8),
    input: new SharedArrayBuffer(INPUT_BYTES),
    output: new SharedArrayBuffer(OUTPUT_BYTES),
    files: new SharedArrayBuffer(FILE_QUEUE_BYTES),
  };
}

/** One thread's view of the memory. */
export class Pipeline {
  readonly gate: Gate;
  /** Bytes of the source. */
  readonly input: Ring;
  /** Bytes of the archive, when the source is compressed. */
  readonly output: Ring;
  readonly inputDigest: DigestMemory;
  readonly outputDigest: DigestMemory;
  /** For `FileQueue`. */
  readonly files: { readonly control: Int32Array; readonly slots: Float64Array };
  readonly #control: Int32Array;
  /** Counts for whoever watches; each has one writer. */
  readonly #counters: Float64Array;

  constructor(memory: PipelineMemory) {
    const control = new Int32Array(memory.control);
    this.#control = control;
    this.#counters = new Float64Array(memory.counters, 0, COUNTERS);
    this.inputDigest = {
      control: control.subarray(INPUT_DIGEST, OUTPUT_DIGEST),
      handle: new Float64Array(memory.counters, COUNTERS * 8, 1),
    };
    this.outputDigest = {
      control: control.subarray(OUTPUT_DIGEST, FILES),
      handle: new Float64Array(memory.counters, (COUNTERS + 1) * 8, 1),
    };
    this.files = { control: control.subarray(FILES), slots: new Float64Array(memory.files) };
    this.gate = new Gate(control.subarray(0, GATE_WORDS));
    this.input = new Ring(
      { control: control.subarray(INPUT, OUTPUT), data: memory.input, readers: 2 },
      this.gate,
      true,
    );
    this.output = new Ring(
      { control: control.subarray(OUTPUT, INPUT_DIGEST), data: memory.output, readers: 1 },
      this.gate,
    );
  }

  /** For a new layer. Only while no thread works. */
  reset(): void {
    this.#control.fill(0);
    this.#counters.fill(0);
    this.input.reset();
    this.output.reset();
  }

  /** The decode thread has seen what the source is. */
  decide(compressed: boolean): void {
    this.input.leave(compressed ? INPUT_READERS.apply : INPUT_READERS.decode);
    Atomics.store(this.#control, MODE, compressed ? COMPRESSED : PLAIN);
    this.gate.bump(DATA);
  }

  /** Whether the source is compressed; undefined while nobody knows. */
  get compressed(): boolean | undefined {
    const mode = Atomics.load(this.#control, MODE);
    return mode === UNDECIDED ? undefined : mode === COMPRESSED;
  }

  /** Blocks until it is known whether the source is compressed. */
  waitCompressed(): boolean {
    for (;;) {
      const seen = this.gate.look(DATA);
      const { compressed } = this;
      if (compressed !== undefined) return compressed;
      this.gate.wait(DATA, seen);
    }
  }

  /** Blocks until it is known which of the rings has the archive. */
  waitArchive(): Ring {
    return this.waitCompressed() ? this.output : this.input;
  }

  get compressedBytes(): number {
    return this.#counters[0]!;
  }

  set compressedBytes(count: number) {
    this.#counters[0] = count;
  }

  get bytes(): number {
    return this.#counters[1]!;
  }

  set bytes(count: number) {
    this.#counters[1] = count;
  }

  get entries(): number {
    return this.#counters[2]!;
  }

  set entries(count: number) {
    this.#counters[2] = count;
  }

  /** Messages that the caller has not taken yet. @returns how many after the change */
  addInFlight(change: 1 | -1): number {
    return Atomics.add(this.#control, IN_FLIGHT, change) + change;
  }

  get inFlight(): number {
    return Atomics.load(this.#control, IN_FLIGHT);
  }
}
