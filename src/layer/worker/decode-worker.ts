import { DATA } from '../../base/gate.js';
import type { Decompressor } from '../../compression/decompressor.js';
import { DETECT_BYTES, detectFormat } from '../../compression/detect.js';
import { openDecompressor } from '../../compression/open-decompressor.js';
import { findLinuxSystem } from '../../system/linux.js';
import { BlobReader } from './blob-reader.js';
import { encodeArchive } from './encode-archive.js';
import { FileSource } from './file-source.js';
import type { Answer, Request } from './messages.js';
import { MeteredOutput } from './metered-output.js';
import { INPUT_READERS, type Pipeline } from './pipeline.js';
import { serve, unexpected } from './serve.js';

/** Absent where layers are only planned: no files of the apply thread's are to be finished then. */
const system = findLinuxSystem();

/** The thread that reads the source, sees what it is, and decompresses it; or compresses the archive of a diff. */
serve(async (request, pipeline) => {
  if (request.type === 'encode') return await encodeArchive(pipeline, request);
  if (request.type !== 'decode') throw unexpected(request);
  const source = request.file && new FileSource(request.file, pipeline, system);
  try {
    return await decode(request, pipeline, source);
  } finally {
    source?.close();
  }
});

async function decode(
  request: Request & { type: 'decode' },
  pipeline: Pipeline,
  source: FileSource | undefined,
): Promise<Answer> {
  const format = detectFormat(readHead(pipeline, source));
  pipeline.decide(format !== 'none');
  if (format === 'none') {
    while (source?.fill()) {}
    return {
      type: 'decoded',
      compression: 'none',
      digest: undefined,
      dataAfterStream: false,
      provesEnd: false,
    };
  }
  const output = new MeteredOutput(pipeline, system, request.maxRatio);
  const decompressor = await openDecompressor(format, output, request);
  const blob = new BlobReader(pipeline, source, request.hash);
  try {
    decompress(blob, decompressor, output);
    const { dataAfterStream, provesEnd } = decompressor;
    return { type: 'decoded', compression: format, digest: blob.finish(), dataAfterStream, provesEnd };
  } finally {
    blob.abandon();
    decompressor.close();
  }
}

/** The first bytes, or all where there are fewer. */
function readHead(pipeline: Pipeline, source: FileSource | undefined): Uint8Array {
  const { input, gate } = pipeline;
  const { decode } = INPUT_READERS;
  for (;;) {
    const seen = gate.look(DATA);
    const { ended } = input; // before the count: the writer publishes before it ends
    const available = input.available(decode);
    if (ended || available >= DETECT_BYTES) return input.bytes.subarray(0, Math.max(available, 0));
    if (source !== undefined) source.fill();
    else gate.wait(DATA, seen);
  }
}

function decompress(blob: BlobReader, decompressor: Decompressor, output: MeteredOutput): void {
  for (;;) {
    const length = blob.wait(() => output.flush());
    if (length < 0) break;
    const { start } = blob;
    output.consumed += length;
    decompressor.write(blob.ring.bytes, start, start + length);
    blob.take(length);
  }
  decompressor.end();
  output.end();
}
