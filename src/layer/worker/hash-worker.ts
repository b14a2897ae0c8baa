import { createHash, type Hash } from 'node:crypto';
import { DATA } from '../../base/gate.js';
import type { Ring } from '../../base/ring.js';
import { INPUT_READERS, OUTPUT_READERS, type Pipeline, STEP_BYTES } from './pipeline.js';
import { serve, unexpected } from './serve.js';

/**
 * The thread that hashes, both what comes in and what it becomes. It is one of its own so that the kernel
 * balances it: with two cores, decoding and applying seldom leave the same one idle.
 */
serve((request, pipeline) => {
  if (request.type !== 'hash') throw unexpected(request);
  const digest = createHash('sha256');
  const diffID = createHash('sha256');
  hashRings(pipeline, digest, diffID);
  const hex = digest.digest('hex');
  return { type: 'hashed', digest: hex, diffID: pipeline.compressed ? diffID.digest('hex') : hex };
});

function hashRings(pipeline: Pipeline, digest: Hash, diffID: Hash): void {
  let inputLeft = true;
  let outputLeft = true;
  for (;;) {
    const seen = pipeline.gate.look(DATA);
    const took = inputLeft && hashSome(pipeline.input, INPUT_READERS.hash, digest);
    if (took === 'ended') inputLeft = false;
    const decided = pipeline.compressed;
    const tookOutput =
      decided === true && outputLeft && hashSome(pipeline.output, OUTPUT_READERS.hash, diffID);
    if (tookOutput === 'ended') outputLeft = false;
    if (!inputLeft && (decided === false || !outputLeft)) return;
    if (!took && !tookOutput) pipeline.gate.wait(DATA, seen);
  }
}

function hashSome(ring: Ring, reader: number, hash: Hash): boolean | 'ended' {
  const available = ring.available(reader);
  if (available <= 0) return available < 0 ? 'ended' : false;
  const length = Math.min(available, STEP_BYTES);
  const start = ring.readIndex(reader);
  hash.update(ring.bytes.subarray(start, start + length));
  ring.release(reader, length);
  return true;
}
