import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { OverlayerError } from '../errors.js';
import { bundlePath, findPackage } from '../installed-package.js';

/**
 * Finds the file that a worker thread runs.
 *
 * - webpack and Turbopack know the literal `new URL(file, import.meta.url)`: they copy the file and rewrite the URL.
 * - esbuild, Rollup and Vite's server build leave the URL as it is, so it leads nowhere. The file then comes from
 *   `threads/` beside the bundle, or from the installed package.
 *
 * @param name of the file in `dist/threads/`, without `.cjs`
 * @param literal gives the URL that the bundler may have rewritten; it throws in a CommonJS bundle of esbuild
 * @throws OverlayerError `FailedPrecondition` when no place has the file
 */
export function findThread(name: string, literal: () => URL): URL {
  const url = tryLiteral(literal);
  if (url !== undefined && existsSync(url)) return url;
  const file = join('threads', `${name}.cjs`);
  const bundle = bundleFolder();
  const installed = findPackage();
  const places = [
    ...(bundle === undefined ? [] : [join(bundle, file)]),
    ...(installed === undefined ? [] : [join(installed, 'dist', file)]),
  ];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return pathToFileURL(found);
  throw new OverlayerError('FailedPrecondition', `Cannot find ${file}, which a thread of overlayer runs`, {
    hint:
      'keep overlayer out of the bundle (esbuild: external, webpack: externals, Vite: ssr.external, Next: serverExternalPackages)' +
      `, or copy node_modules/overlayer/dist/threads to ${join(bundle ?? 'the folder of the bundle', 'threads')}`,
  });
}

function tryLiteral(literal: () => URL): URL | undefined {
  try {
    const url = literal();
    return url.protocol === 'file:' ? url : undefined;
  } catch {
    return undefined;
  }
}

function bundleFolder(): string | undefined {
  const bundle = bundlePath();
  if (bundle === undefined) return undefined;
  return dirname(bundle.startsWith('file:') ? fileURLToPath(bundle) : bundle);
}
