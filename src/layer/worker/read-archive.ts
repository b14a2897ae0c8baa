import { type Limits, limitError } from '../../base/limits.js';
import { TarDecoder } from '../../tar/decoder.js';
import type { TarSink } from '../../tar/types.js';
import type { ArchiveReader } from './archive-reader.js';
import { ImageWatch } from './image-watch.js';
import type { ArchiveSummary } from './jobs.js';
import type { Pipeline } from './pipeline.js';

/** Feeds the archive's bytes to a decoder, until they end. @returns what can be said of the archive as such */
export function readArchive(
  pipeline: Pipeline,
  archive: ArchiveReader,
  sink: TarSink,
  limits: Limits,
): Pick<ArchiveSummary, 'size' | 'diffID' | 'entries' | 'endIsMarked' | 'dataAfterArchive' | 'holdsImages'> {
  archive.begin();
  try {
    const watch = new ImageWatch(sink);
    const decoder = new TarDecoder(watch, limits);
    for (;;) {
      const length = archive.wait();
      if (length < 0) break;
      const { start } = archive;
      if (decoder.position + length > limits.maxBytes)
        throw limitError('maxBytes', limits.maxBytes, { offset: decoder.position });
      decoder.write(archive.ring.bytes, start, start + length);
      archive.take(length);
      pipeline.bytes = decoder.position;
      pipeline.entries = decoder.entries;
    }
    const endIsMarked = decoder.end({ requireMarker: false });
    const { position: size, entries, dataAfterArchive } = decoder;
    const { holdsImages } = watch;
    return { size, entries, endIsMarked, dataAfterArchive, holdsImages, diffID: archive.finish() };
  } catch (error) {
    archive.abandon();
    throw error;
  }
}
