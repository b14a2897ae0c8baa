import { createHash, randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Ring } from '../../src/base/threads/ring.js';
import { createPipelineMemory, Pipeline } from '../../src/layer/worker/pipeline.js';
import { SharedDigest } from '../../src/layer/worker/shared-digest.js';

const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function put(ring: Ring, bytes: Uint8Array): void {
  ring.bytes.set(bytes, ring.writeIndex);
  ring.publish(bytes.length);
}

/** Calls `publish` between the n-th look at how much was written and what follows. The writer is another thread. */
function afterLook(ring: Ring, nth: number, publish: () => void): void {
  const { get } = Object.getOwnPropertyDescriptor(Object.getPrototypeOf(ring), 'written')!;
  let looks = 0;
  Object.defineProperty(ring, 'written', {
    configurable: true,
    get() {
      const written = get!.call(ring) as number;
      if (++looks === nth) publish();
      return written;
    },
  });
}

describe.each(['input', 'output'] as const)(
  'two digests at once, while bytes of the %s arrive',
  (growing) => {
    // A layer of an image was refused with a wrong diffID, once in a thousand pulls.
    it.each([1, 2, 3])('are right when the bytes come after look %i', (nth) => {
      const pipeline = new Pipeline(createPipelineMemory());
      pipeline.reset();
      const grown = pipeline[growing];
      const full = growing === 'input' ? pipeline.output : pipeline.input;
      // The first ones end within a block, and the second ones do not fill it.
      const [first, second, rest, other] = [
        randomBytes(10),
        randomBytes(7),
        randomBytes(32_768),
        randomBytes(65_536),
      ];
      const whole = Buffer.concat([first, second, rest]);
      const digests = { grown: SharedDigest.of(pipeline, grown), full: SharedDigest.of(pipeline, full) };
      digests.grown.begin();
      digests.full.begin();
      put(grown, first);
      digests.grown.help();
      put(grown, second);
      put(full, other);
      let isPublished = false;
      const publish = () => {
        if (!isPublished) put(grown, rest);
        isPublished = true;
      };
      afterLook(grown, nth, publish);
      digests.full.help();
      publish();
      expect(digests.full.finish()).toBe(sha256(other));
      expect(digests.grown.finish()).toBe(sha256(whole));
    });
  },
);
