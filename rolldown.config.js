import { readFileSync } from 'node:fs';

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

/** The script and the style sheet of the page of `explore --html`, as strings of a module. */
const page = {
  input: 'src/explore/page/app/main.ts',
  tsconfig: 'src/explore/page/app/tsconfig.json',
  output: { format: 'iife', minify: true, comments: false, file: 'dist/explore/page/page-assets.built.js' },
  plugins: [
    {
      name: 'assets-of-the-page',
      generateBundle(_, bundle) {
        const [chunk] = Object.values(bundle);
        if (chunk.code.includes('</script')) throw new Error('The script of the page must not end its element');
        const style = readFileSync('src/explore/page/app/page.css', 'utf8');
        const strings = { PAGE_SCRIPT: chunk.code, PAGE_STYLE: style };
        chunk.code = Object.entries(strings)
          .map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};\n`)
          .join('');
      },
    },
  ],
};

export default [
  page,
  commandLine,
  thread('apply', 'layer/worker/apply-worker.js'),
  thread('decode', 'layer/worker/decode-worker.js'),
  thread('mount', 'mount/kinds/mount-worker.js'),
  thread('probe', 'mount/probe-worker.js'),
  thread('tree', 'snapshot/trees/tree-worker.js'),
];
