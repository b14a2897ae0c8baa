import { join } from 'node:path';
import { build } from 'esbuild';

const DIST = new URL('../../dist/', import.meta.url).href;

/**
 * Makes a module of the tests one that node runs by itself, in a process of its own. What it imports of `src` is
 * the built package.
 *
 * @param into a directory @returns the program's path
 */
export async function buildProgram(module: URL, into: string): Promise<string> {
  const outfile = join(into, `${module.pathname.split('/').at(-1)}.mjs`);
  await build({
    ...{ entryPoints: [module.pathname], outfile, bundle: true, platform: 'node', format: 'esm' },
    target: 'node20',
    logLevel: 'warning',
    plugins: [
      {
        name: 'built package',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^(\.\.\/)+src\// }, ({ path }) => ({
            path: DIST + path.replace(/^(\.\.\/)+src\//, ''),
            external: true,
          })),
      },
    ],
  });
  return outfile;
}
