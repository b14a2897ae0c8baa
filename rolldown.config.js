const common = {
  platform: 'node',
  // Packages stay outside.
  external: /^[^./\0]/,
  // CommonJS has no import.meta.
  transform: { target: 'node20', define: { 'import.meta.url': 'moduleURL' } },
  // Dynamic imports whose module is loaded anyway by a static one.
  checks: { ineffectiveDynamicImport: false },
};
const output = {
  format: 'cjs',
  entryFileNames: '[name].cjs',
  comments: false,
  banner: "const moduleURL = require('node:url').pathToFileURL(__filename).href;",
};

/**
 * The command line: a command loads only the files that it needs. As one file it takes 20 ms more to start, and as modules,
 * one by one, 40 ms more.
 */
const commandLine = {
  ...common,
  input: { main: 'dist/cli/main.js' },
  output: {
    ...output,
    dir: 'dist/cli',
    chunkFileNames: 'chunks/[name].cjs',
    // Each file that is opened takes 0.3 ms. What every unpack loads is therefore in two: the one that starts the threads,
    // and the rest.
    codeSplitting: {
      groups: [
        { name: 'threads', test: /\/dist\/layer\/index\.js$/, priority: 2 },
        {
          name: 'unpack',
          test: /\/dist\/(cli\/run|cli\/commands\/unpack|image\/archive\/archive-file)\.js$/,
          priority: 1,
        },
      ],
    },
  },
};

/** A worker thread: one file, as its loading is not on the way of anything else. */
const thread = (name, module) => ({
  ...common,
  input: { [name]: `dist/${module}` },
  output: { ...output, dir: 'dist/threads', codeSplitting: false },
});

export default [
  commandLine,
  thread('apply', 'layer/worker/apply-worker.js'),
  thread('decode', 'layer/worker/decode-worker.js'),
  thread('mount', 'mount/kinds/mount-worker.js'),
  thread('probe', 'mount/probe-worker.js'),
  thread('tree', 'snapshot/trees/tree-worker.js'),
];
