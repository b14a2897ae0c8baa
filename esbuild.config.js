import { build } from 'esbuild';

// The command line and the threads, each as one CommonJS file: as modules, one by one, they start 40 ms later.
await build({
  entryPoints: {
    'cli/main': 'dist/cli/main.js',
    'threads/apply': 'dist/layer/worker/apply-worker.js',
    'threads/decode': 'dist/layer/worker/decode-worker.js',
    'threads/mount': 'dist/mount/kinds/mount-worker.js',
    'threads/probe': 'dist/mount/probe-worker.js',
    'threads/tree': 'dist/snapshot/trees/tree-worker.js',
  },
  outdir: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  logLevel: 'warning',
  // CommonJS has no import.meta.
  define: { 'import.meta.url': 'moduleURL' },
  banner: { js: "const moduleURL = require('node:url').pathToFileURL(__filename).href;" },
});
