import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { licenses } from './rolldown/licenses.js';
import {
  ascii,
  importByLoader,
  lateBuiltins,
  moduleURL,
  plainExports,
  prepend,
  privateNames,
  rewriting,
} from './rolldown/rewrites.js';

const common = {
  platform: 'node',
  // Packages stay outside.
  external: /^[^./\0]/,
  // CommonJS has no import.meta.
  transform: {
    target: 'node20',
    define: { 'import.meta.url': 'moduleURL()', 'import.meta.dirname': '__dirname' },
  },
  // Dynamic imports whose module is loaded anyway by a static one.
  checks: { ineffectiveDynamicImport: false },
};
const output = { format: 'cjs', entryFileNames: '[name].cjs', comments: false };

/** Packages of most commands. Each file of a package that is opened takes 0.3 ms, and unused functions take time too. */
const BUNDLED = [
  ...['commander', 'filesize', 'valibot', 'cli-table3', 'string-width'],
  ...['strip-ansi', 'ansi-regex', 'emoji-regex', 'is-fullwidth-code-point'], // string-width loads them
];

/** Commander loads node:child_process, 1 to 3 ms, for commands that are programs of their own. */
const isUnused = (id, importer) => id === 'node:child_process' && importer?.includes('/commander/');
const withoutUnused = {
  name: 'without-unused',
  resolveId: (id, importer) => (isUnused(id, importer) ? '\0nothing' : null),
  load: (id) => (id === '\0nothing' ? 'module.exports = {};' : null),
};

/**
 * The command line: a command loads only the files that it needs. As one file it takes 20 ms more to start, and as modules,
 * one by one, 40 ms more.
 */
const commandLine = {
  ...common,
  external: (id, importer) => common.external.test(id) && !BUNDLED.includes(id) && !isUnused(id, importer),
  plugins: [
    rewriting(moduleURL, lateBuiltins, importByLoader, plainExports, privateNames),
    ascii,
    withoutUnused,
    licenses('LICENSES.txt'),
  ],
  input: { 'command-line': 'dist/cli/command-line.js' },
  output: {
    ...output,
    dir: 'dist/cli/chunks',
    chunkFileNames: '[name].cjs',
    // Each file that is opened takes 0.3 ms, so modules that are loaded together are one file: those of every command
    // (start), of commands on images (images), of lists of images (listing), of what reads layers (threads), of an unpack
    // without a thread (unpack), of sources of images, of registries, of snapshots and what other commands share with them
    // (shared), and of stores. Of equal priorities the first counts.
    codeSplitting: {
      groups: [
        {
          name: 'start',
          test: /\/dist\/(cli\/(run|with-root|options|flags\/(fetch|store)-flags|render\/(print|format|image))|oci\/(digest|platform))\.js$/,
          priority: 4,
        },
        {
          name: 'listing',
          test: /\/dist\/(cli\/commands\/images\/listing|image\/store\/read-images)\.js$/,
          priority: 3,
        },
        { name: 'images', test: /\/dist\/cli\/commands\/images\/images-program\.js$/, priority: 2 },
        { name: 'threads', test: /\/dist\/cli\/(warm-up|commands\/layer-program)\.js$/, priority: 2 },
        {
          name: 'unpack',
          test: /\/dist\/(cli\/commands\/unpack|image\/archive\/archive-file|layer\/worker\/apply-jobs|compression\/isal-inflate)\.js$/,
          priority: 1,
        },
        {
          name: 'shared',
          test: /\/dist\/(erofs\/name-table|layer\/plan-layer|mount\/shown-layers|system\/sync-directory|snapshot\/(labels|temporary-view|fill\/flush-point))\.js$/,
        },
        {
          name: 'sources',
          test: /\/dist\/image\/(pull\/(fetch-layer|layers-ahead|pull-event)|source\/(image-contents|local-images)|store\/admit-image)\.js$/,
        },
        {
          name: 'registry',
          test: /\/dist\/image\/registry\/(registry-source|hosts\/(host-directories|registry-hosts))\.js$/,
        },
        {
          name: 'snapshots',
          test: /\/dist\/snapshot\/(store\/open-root|fill\/(layer-fill|fill-snapshot)|trees\/tree-jobs)\.js$/,
        },
        { name: 'store', test: /\/dist\/image\/store\/root-store\.js$/ },
      ],
    },
  },
};

/** Compiled code is kept by the hash of the files that it was compiled from: V8 compares only their lengths. */
const buildHash = {
  name: 'build-hash',
  renderChunk: (code) => {
    const hash = createHash('sha256');
    for (const folder of ['dist/cli/chunks', 'dist/threads'])
      for (const file of readdirSync(folder).sort())
        hash.update(`\0${file}\0`).update(readFileSync(join(folder, file)));
    return prepend(code, `const BUILD = '${hash.digest('hex').slice(0, 16)}';`);
  },
};

/** Loads the chunks of the command line, or the file of a thread of it. */
const loader = (name, module, plugins) => ({
  ...common,
  plugins,
  input: { [name]: `dist/cli/${module}` },
  output: { ...output, dir: 'dist/cli', codeSplitting: false },
});

/** A worker thread: one file, as its loading is not on the way of anything else. */
const thread = (name, module) => ({
  ...common,
  plugins: [rewriting(moduleURL, lateBuiltins, privateNames), ascii],
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
        if (chunk.code.includes('</script'))
          throw new Error('The script of the page must not end its element');
        const style = readFileSync('src/explore/page/app/page.css', 'utf8');
        const strings = { PAGE_SCRIPT: chunk.code, PAGE_STYLE: style };
        chunk.code = Object.entries(strings)
          .map(([name, text]) => `export const ${name} = ${JSON.stringify(text)};\n`)
          .join('');
      },
    },
  ],
};

/** ink shows nothing where the variable CI is set. The screen is loaded for a terminal only, so a person looks at it. */
const onTerminal = {
  name: 'on-terminal',
  resolveId: (id) => (id === 'is-in-ci' ? '\0is-in-ci' : null),
  load: (id) => (id === '\0is-in-ci' ? 'export default false;' : null),
};

/**
 * The terminal's screen with ink and React, which only `explore` on a terminal loads. As dependencies they would be 40 packages
 * in every program that embeds the library.
 */
const explorer = {
  ...common,
  external: /^node:/,
  transform: {
    target: 'node20',
    define: { 'process.env.NODE_ENV': '"production"', 'process.env.DEV': '"false"' },
  },
  // ink loads it when DEV is set, to develop ink.
  resolve: { alias: { 'react-devtools-core': false } },
  input: { explorer: 'dist/cli/explorer/screen.js' },
  output: {
    format: 'esm',
    entryFileNames: '[name].mjs',
    dir: 'dist/cli',
    codeSplitting: false,
    minify: true,
    comments: false,
  },
  plugins: [onTerminal, licenses('explorer.LICENSES.txt')],
};

export default [
  page, // the command line has its assets
  commandLine,
  explorer,
  thread('apply', 'layer/worker/apply-worker.js'),
  thread('decode', 'layer/worker/decode-worker.js'),
  thread('mount', 'mount/kinds/mount-worker.js'),
  thread('probe', 'mount/probe-worker.js'),
  thread('tree', 'snapshot/trees/tree-worker.js'),
  loader('thread', 'compiled-code/thread.js', [rewriting(lateBuiltins)]),
  loader('main', 'main.js', [rewriting(lateBuiltins), buildHash]), // after the others
];
