/** The commands that unpack or read layers. */
const NEED_THREADS: readonly string[] = [
  ...['unpack', 'inspect', 'diff', 'import', 'explore', 'files', 'cat'],
];

/** Runs the command line `args`, and sets `process.exitCode`. */
export async function runCommandLine(args: readonly string[], version: string): Promise<void> {
  const command = args[0] === 'snapshots' ? args[1] : args[0];
  if (command !== undefined && NEED_THREADS.includes(command)) {
    // The threads start while the rest is loaded and the options are parsed.
    const { startThreads } = await import('./warm-up.js');
    startThreads(args[0]!, args.slice(1));
  }
  const { run } = await import('./run.js');
  await run(args, version);
}
