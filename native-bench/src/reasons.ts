/** Why a bar is not met, a sentence each. The report shows those of the bars that are not met. */
export const REASONS = {
  start:
    'Of the 40 ms above Node.js, loading takes 14 and the first layer 20, in code that V8 only interprets; 13 are kernel calls, koffi and the collector.',
  again:
    'A layer needs 1,280 system calls, and V8 still compiles the decoder and the applier while the first layers are unpacked.',
  gzip: 'The pipeline computes no digests; overlayer computes both, on the same two cores.',
  zstd: undefined,
  tar: 'Both cores are busy: the start of Node.js, its compiler and a second isolate cost 0.25 to 0.4 s of processor time.',
  tarUnverified:
    'Both cores are busy: the start of Node.js, its compiler and a second isolate cost 0.25 to 0.4 s of processor time.',
  image:
    'On average 1.5 of two cores are busy: the rest waits for the disk and its journal. A pull takes 0.9 s of processor time for HTTP, beside the registry on the same cores.',
  pipelines: 'The pipelines compute no digests; overlayer computes both, on the same two cores.',
  network: undefined,
  near: undefined,
  pull: 'Node.js takes 25 ms to start, the code until the request 18, lmdb 12 to 16, and a first layer 30.',
} as const satisfies Readonly<Record<string, string | undefined>>;
