/** Why a bar is not met, a sentence each. The report shows those of the bars that are not met. */
export const REASONS = {
  start: undefined,
  again: undefined,
  gzip: undefined,
  zstd: undefined,
  tar: undefined,
  tarUnverified: undefined,
  image: undefined,
  pipelines: undefined,
  network: undefined,
  near: undefined,
} as const satisfies Readonly<Record<string, string | undefined>>;
