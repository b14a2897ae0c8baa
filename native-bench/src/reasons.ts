/** Why a bar is not met, a sentence each. The report shows those of the bars that are not met. */
export const REASONS = {
  start: 'Node.js loads and compiles the modules of the command, and a native library, after its own start.',
  again:
    'V8 still compiles the functions of the decoder and of the applier while the first layers are unpacked.',
  gzip: 'The pipeline computes no digests; overlayer computes both, on the same two cores.',
  zstd: undefined,
  tar: 'tar starts sooner than Node.js, and does not resolve each path inside the root by openat2.',
  tarUnverified: 'tar starts sooner than Node.js, and does not resolve each path inside the root by openat2.',
  image: undefined,
  pipelines: 'The pipelines compute no digests; overlayer computes both, on the same two cores.',
  network: undefined,
  near: undefined,
} as const satisfies Readonly<Record<string, string | undefined>>;
