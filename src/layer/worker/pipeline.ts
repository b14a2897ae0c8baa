import { DATA, GATE_WORDS, Gate, SPACE } from '../../base/threads/gate.js';
import { Ring, ringWords } from '../../base/threads/ring.js';
import { SHA256_STATE_BYTES } from '../../system/sha256.js';
import type { LayerProgress } from '../options.js';
import { FILE_QUEUE_BYTES, FILE_QUEUE_WORDS } from './file-queue.js';
import type { DecodedSource } from './jobs.js';

/** The rings fit into a core's cache, and threads seldom wait: 512 KiB takes 6 % more time, 8 MiB takes the same. */
const INPUT_BYTES = 4 * 1024 * 1024;
const OUTPUT_BYTES = 4 * 1024 * 1024;

/** The most bytes that a thread handles at once, so that other threads are not kept waiting. */
export const STEP_BYTES = 128 * 1024;

/**
 * The readers of the input ring. The apply thread reads it when the source is a plain tar. The digest is a reader of its
 * own, so that a thread can go on reading while the other one hashes.
 */
export const INPUT_READERS = { decode: 0, apply: 1, digest: 2 } as const;
/** The readers of the output ring. */
export const OUTPUT_READERS = { apply: 0, digest: 1 } as const;

/** The memory of a ring's `SharedDigest`. */
export interface DigestMemory {
  /** A lock, and whether a digest that threads share is computed. */
  readonly control: Int32Array;
  readonly state: Uint8Array;
}

const DIGEST_WORDS = 2;

const UNDECIDED = 0;
const PLAIN = 1;
const COMPRESSED = 2;

const MODE = GATE_WORDS;
const IN_FLIGHT = MODE + 1;
const READ = IN_FLIGHT + 1;
const DECODED = READ + 1;
const INPUT = DECODED + 1;
const OUTPUT = INPUT + ringWords(3);
const INPUT_DIGEST = OUTPUT + ringWords(2);
const OUTPUT_DIGEST = INPUT_DIGEST + DIGEST_WORDS;
const FILES = OUTPUT_DIGEST + DIGEST_WORDS;
const COUNTERS = 3;
/** `DecodedSource` as JSON has 150 bytes. */
const DECODED_BYTES = 512;

const CONTROL_WORDS = FILES + FILE_QUEUE_WORDS;

/** The memory that the threads of a crew share. */
export interface PipelineMemory {
  readonly control: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly decoded: SharedArrayBuffer;
  readonly digests: SharedArrayBuffer;
  readonly input: SharedArrayBuffer;
  readonly output: SharedArrayBuffer;
  readonly files: SharedArrayBuffer;
}

export function createPipelineMemory(): PipelineMemory {
  return {
    control: new SharedArrayBuffer(CONTROL_WORDS * 4),
    counters: new SharedArrayBuffer(COUNTERS * 8),
    decoded: new SharedArrayBuffer(DECODED_BYTES),
    digests: new SharedArrayBuffer(2 * SHA256_STATE_BYTES),
    input: new SharedArrayBuffer(INPUT_BYTES),
    output: new SharedArrayBuffer(OUTPUT_BYTES),
    files: new SharedArrayBuffer(FILE_QUEUE_BYTES),
  };
}

/** Both parts of a layer in one thread, in turns. */
export interface Alone {
  /** Fills the ring of the archive, until its end. It calls `consume` whenever there are bytes. */
  produce(): Promise<void>;
  /** Reads all bytes that are in the ring of the archive. There is room in it afterwards. */
  consume: () => void;
  /** Lets the event loop run when it is due. Undefined in a thread without other work. */
  readonly pause: (() => Promise<void> | undefined) | undefined;
}

/** A thread's view of the crew's memory. */
export class Pipeline {
  /** Set in the apply thread while it decodes the source, too. No other thread has a part in the layer then. */
  alone: Alone | undefined;
  readonly gate: Gate;
  /** The source's bytes. */
  readonly input: Ring;
  /** The archive's bytes, if the source is compressed. */
  readonly output: Ring;
  readonly inputDigest: DigestMemory;
  readonly outputDigest: DigestMemory;
  /** Memory of the `FileQueue`. */
  readonly files: { readonly control: Int32Array; readonly slots: Float64Array };
  readonly #control: Int32Array;
  /** Counters for progress. Each is written by one thread. */
  readonly #counters: Float64Array;
  readonly #decoded: Buffer;

  constructor(memory: PipelineMemory) {
    const control = new Int32Array(memory.control);
    this.#control = control;
    this.#counters = new Float64Array(memory.counters);
    this.#decoded = Buffer.from(memory.decoded);
    this.inputDigest = {
      control: control.subarray(INPUT_DIGEST, OUTPUT_DIGEST),
      state: new Uint8Array(memory.digests, 0, SHA256_STATE_BYTES),
    };
    this.outputDigest = {
      control: control.subarray(OUTPUT_DIGEST, FILES),
      state: new Uint8Array(memory.digests, SHA256_STATE_BYTES, SHA256_STATE_BYTES),
    };
    this.files = { control: control.subarray(FILES), slots: new Float64Array(memory.files) };
    this.gate = new Gate(control.subarray(0, GATE_WORDS));
    this.input = new Ring(
      { control: control.subarray(INPUT, OUTPUT), data: memory.input, readers: 3 },
      this.gate,
      true,
    );
    this.output = new Ring(
      { control: control.subarray(OUTPUT, INPUT_DIGEST), data: memory.output, readers: 2 },
      this.gate,
    );
  }

  /** Prepares it for a new layer. No thread may use it meanwhile. */
  reset(): void {
    this.#control.fill(0);
    this.#counters.fill(0);
    this.input.reset();
    this.input.leave(INPUT_READERS.digest);
    this.output.reset();
    this.output.leave(OUTPUT_READERS.digest);
  }

  /** The decode thread has detected whether the source is compressed. */
  decide(compressed: boolean): void {
    this.input.leave(compressed ? INPUT_READERS.apply : INPUT_READERS.decode);
    Atomics.store(this.#control, MODE, compressed ? COMPRESSED : PLAIN);
    this.gate.bump(DATA);
  }

  /** The source is a plain archive that both threads read. */
  share(): void {
    Atomics.store(this.#control, MODE, PLAIN);
  }

  /** Whether the source is compressed; undefined before it is known. */
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

  /** The decode thread has read the whole source. */
  endDecoding(decoded: DecodedSource): void {
    Atomics.store(this.#control, DECODED, this.#decoded.write(JSON.stringify(decoded)));
    this.gate.bump(DATA);
  }

  /** Blocks until the decode thread has read the whole source. @throws AbortedError */
  waitDecoded(): DecodedSource {
    for (;;) {
      const seen = this.gate.look(DATA);
      const length = Atomics.load(this.#control, DECODED);
      if (length > 0) return JSON.parse(this.#decoded.toString('latin1', 0, length));
      this.gate.wait(DATA, seen);
    }
  }

  /** The apply thread has read the whole archive, and needs no more help. */
  endReading(): void {
    Atomics.store(this.#control, READ, 1);
    this.gate.bump(SPACE);
  }

  get isRead(): boolean {
    return Atomics.load(this.#control, READ) !== 0;
  }

  /** Blocks until it is known which ring has the archive. */
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

  /** Counts messages that the caller has not taken. @returns the new count */
  addInFlight(change: 1 | -1): number {
    return Atomics.add(this.#control, IN_FLIGHT, change) + change;
  }

  get inFlight(): number {
    return Atomics.load(this.#control, IN_FLIGHT);
  }
}

const PROGRESS_INTERVAL_MS = 100;

/** Calls a listener about ten times a second. The error of a listener ends the work, which fails with it. */
export function reportProgress(
  pipeline: Pipeline,
  compressedSize: number | undefined,
  onProgress: ((progress: LayerProgress) => void) | undefined,
  stop: () => void,
): { end(): void; failure(): unknown } {
  if (onProgress === undefined) return { end() {}, failure: () => undefined };
  let failure: unknown;
  const report = () => {
    const { compressedBytes, bytes, entries } = pipeline;
    onProgress({ compressedBytes, compressedSize, bytes, entries });
  };
  const timer = setInterval(() => {
    try {
      report();
    } catch (error) {
      failure = error;
      clearInterval(timer);
      pipeline.gate.abort();
      stop();
    }
  }, PROGRESS_INTERVAL_MS).unref(); // the threads keep the process alive
  return {
    end() {
      clearInterval(timer);
      // The work may have ended before the listener's error could stop it.
      if (failure !== undefined) throw failure;
      report();
    },
    failure: () => failure,
  };
}
