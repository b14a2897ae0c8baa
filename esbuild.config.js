import { build } from 'esbuild';

// The command line and the threads, each as one CommonJS file: as modules, one by one, they start 40 ms later.
await build({
  entryPoints: [
    'dist/cli/main.js',
    'dist/layer/worker/apply-worker.js',
    'dist/layer/worker/decode-worker.js',
    'dist/mount/mount-worker.js',
    'dist/mount/probe-worker.js',
    'dist/snapshot/trees/tree-worker.js',
  ],
  outdir: 'dist',
  outbase: 'dist',
  outExtension: { '.js': '.cjs' },
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'cjs',
  target: 'node20',
  logLevel: 'warning',
  // What CommonJS has no word for.
  define: { 'import.meta.url': 'moduleURL', 'import.meta.resolve': 'resolveModule' },
  banner: {
    js: `const { pathToFileURL } = require('node:url');
const moduleURL = pathToFileURL(__filename).href;
const resolveModule = (name) => pathToFileURL(require.resolve(name)).href;`,
  },
});
