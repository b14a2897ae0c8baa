// Bundles main.js of the working directory: node bundle.mjs BUNDLER FORMAT
import { builtinModules } from 'node:module';

const [bundler, format] = process.argv.slice(2);
const root = process.cwd();
const outfile = `${root}/${bundler}-${format}/main.${format === 'cjs' ? 'cjs' : 'mjs'}`;
const outdir = `${root}/${bundler}-${format}`;
const entry = `${root}/main.js`;

/** esbuild, and Vite for libraries, give CommonJS packages no `require` in an ES module: the documentation has this line. */
const REQUIRE =
  "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

const bundlers = {
  async esbuild() {
    const { build } = await import('esbuild');
    const packages = format === 'external' ? 'external' : 'bundle';
    await build({
      ...{ entryPoints: [entry], outfile, bundle: true, platform: 'node', packages },
      ...{ format: format === 'cjs' ? 'cjs' : 'esm', logLevel: 'warning' },
      ...(format === 'esm' ? { banner: { js: REQUIRE } } : {}),
    });
  },
  async webpack() {
    const { default: webpack } = await import('webpack');
    const isModule = format === 'esm';
    const compiler = webpack({
      ...{ mode: 'production', target: 'node20', context: root, entry, optimization: { minimize: false } },
      experiments: { outputModule: isModule },
      output: {
        ...{ path: outdir, filename: isModule ? 'main.mjs' : 'main.cjs' },
        ...(isModule ? { library: { type: 'module' } } : {}),
      },
      externals: format === 'external' ? { overlayer: 'commonjs overlayer' } : {},
    });
    await new Promise((resolve, reject) =>
      compiler.run((error, stats) => {
        if (error) reject(error);
        else if (stats.hasErrors() || stats.hasWarnings())
          reject(new Error(stats.toString('errors-warnings')));
        else resolve();
      }),
    );
  },
  async vite() {
    const { build } = await import('vite');
    const output = { entryFileNames: 'main.mjs' };
    const common = { configFile: false, root, logLevel: 'error' };
    if (format === 'external')
      await build({ ...common, build: { ssr: entry, outDir: outdir, rolldownOptions: { output } } });
    else if (format === 'ssr')
      await build({
        ...common,
        ssr: { noExternal: true },
        build: { ssr: entry, outDir: outdir, rolldownOptions: { output } },
      });
    else
      await build({
        ...common,
        build: {
          outDir: outdir,
          lib: {
            entry,
            formats: [format === 'cjs' ? 'cjs' : 'es'],
            fileName: () => `main.${format === 'cjs' ? 'cjs' : 'mjs'}`,
          },
          rolldownOptions: {
            external: [/^node:/, ...builtinModules],
            output: format === 'cjs' ? {} : { banner: REQUIRE },
          },
        },
      });
  },
};

await bundlers[bundler]();
