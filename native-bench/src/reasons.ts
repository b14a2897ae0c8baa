/** Why a bar is not met, a sentence each. The report shows those of the bars that are not met. */
export const REASONS = {
  start:
    'The modules of the command are loaded after the start of Node.js, and the first layer runs in cold code.',
  again:
    'V8 still compiles the functions of the decoder and of the applier while the first layers are unpacked.',
  gzip: 'The pipeline computes no digests; overlayer computes both, on the same two cores.',
  zstd: undefined,
  tar: 'Both cores are busy: the start of Node.js, its compiler and a second isolate cost 0.25 to 0.4 s of processor time.',
  tarUnverified:
    'Both cores are busy: the start of Node.js, its compiler and a second isolate cost 0.25 to 0.4 s of processor time.',
  image: undefined,
  pipelines: 'The pipelines compute no digests; overlayer computes both, on the same two cores.',
  network: undefined,
  near: undefined,
  pull: 'The HTTP client is loaded and the store is opened before the first request.',
} as const satisfies Readonly<Record<string, string | undefined>>;
