import { handleJobs, threadData } from '../../base/threads/worker-thread.js';
import { findLinuxSystem } from '../../system/linux.js';
import { SourceDecoder } from './decode-source.js';
import { encodeArchive } from './encode-archive.js';
import type { DecodeJobs } from './jobs.js';
import { INPUT_READERS, Pipeline, type PipelineMemory } from './pipeline.js';

// The decode thread. It reads the source, detects its format and decompresses it; or it compresses the archive of a
// diff.

const pipeline = new Pipeline(threadData<PipelineMemory>());

handleJobs<DecodeJobs>(
  {
    async decode(input) {
      using decoder = new SourceDecoder(pipeline, findLinuxSystem(), input);
      const decoded = await decoder.decode(decoder.detect());
      pipeline.endDecoding(decoded);
      if (input.helps) decoder.help();
      return decoded;
    },
    encode: (input) =>
      encodeArchive(
        {
          input: pipeline.input,
          reader: INPUT_READERS.decode,
          output: input.compression === 'none' && !input.isUnpacked ? undefined : pipeline.output,
          count: (bytes) => (pipeline.compressedBytes += bytes),
        },
        input,
      ),
  },
  // The other threads would wait for bytes, or for room, that never come.
  () => pipeline.gate.abort(),
);
