import { createHash } from 'node:crypto';
import { checkArgument, checkOptions, type OptionNames } from '../../base/check-arguments.js';
import { displayJson } from '../../base/path-bytes.js';
import type { ExploredImage } from '../explored-image.js';
import type { PageData } from './page-format.js';

/** What the page shows beside the image. */
export interface WriteImagePageOptions {
  /** The older image that the page compares with. @default the page has no comparison */
  readonly compare?: ExploredImage | undefined;
}

const OPTIONS = { compare: true } satisfies OptionNames<WriteImagePageOptions>;

/**
 * Writes an image as one HTML page: a map of sizes, layers, waste, and a search over all paths. The page needs no network and no
 * other file. Names of the image are data in it, never markup: its content security policy runs the script of the page alone.
 *
 * The page takes about 20 bytes for each entry, and each name once.
 *
 * @returns the bytes of the page in UTF-8, in pieces
 * @throws OverlayerError `InvalidArgument`: an image that `exploreImage` has not read
 *
 * @example
 * await pipeline(writeImagePage(image), createWriteStream('image.html'));
 */
export async function* writeImagePage(
  image: ExploredImage,
  options: WriteImagePageOptions = {},
): AsyncGenerator<Uint8Array, void, void> {
  checkOptions('writeImagePage', options, OPTIONS);
  checkArgument('image', image, 'object');
  const { packPage } = await import('./page-data.js');
  const { PAGE_SCRIPT, PAGE_STYLE } = await import('./page-assets.built.js');
  const policy = [
    "default-src 'none'",
    `script-src '${hashOf(PAGE_SCRIPT)}'`,
    `style-src '${hashOf(PAGE_STYLE)}'`,
    "base-uri 'none'",
    "form-action 'none'",
    // No text becomes markup, not even by a mistake of the script.
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
  ];
  yield Buffer.from(`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy.join('; ')}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Image</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<noscript><p>This page shows its data by a script. Allow scripts for it.</p></noscript>
<script type="application/json" id="data">`);
  yield* dataOf(packPage(image, options.compare));
  yield Buffer.from(`</script>\n<script>${PAGE_SCRIPT}</script>\n</body>\n</html>\n`);
}

/** The fields one by one: no string is longer than the longest column. */
function* dataOf({ nodes, ...data }: PageData): Generator<Uint8Array> {
  yield* fieldsOf({ ...data, nodes: undefined }, '{');
  yield Buffer.from(',"nodes":');
  yield* fieldsOf(nodes, '{');
  yield Buffer.from('}}');
}

function* fieldsOf(fields: object, begin: string): Generator<Uint8Array> {
  let separator = begin;
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue;
    // A script element ends at "</script", and changes its meaning at "<!--".
    yield Buffer.from(`${separator}"${name}":${displayJson(value).replaceAll('<', '\\u003c')}`);
    separator = ',';
  }
}

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
