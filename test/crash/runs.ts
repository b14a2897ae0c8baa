/** OVERLAYER_CRASH_RUNS multiplies the counts of the crash tests: 10 is for a night. */
export const RUNS = Number(process.env['OVERLAYER_CRASH_RUNS'] ?? 1);

/** As long as a test may take: far more than it does on an idle machine. */
export const TIMEOUT = 300_000 * RUNS;
