import { writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { type ExploredImage, exploreImage, openImageLayout, writeImagePage } from '../../src/index.js';
import { configOf, layoutFiles, writeFiles } from './hand-made-image.js';
import { inWorkDirectory } from './work-directory.js';

/** What a page did that it should not. */
export interface OpenedPage {
  readonly page: Page;
  /** URLs of requests, without that of the page. */
  readonly requests: readonly string[];
  /** Errors, dialogs, and what the content security policy refused. */
  readonly faults: readonly string[];
}

/** Debian's chromium. */
export async function startBrowser(): Promise<Browser> {
  const isRoot = process.getuid?.() === 0;
  return await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: isRoot ? ['--no-sandbox'] : [],
  });
}

export async function explored(
  layers: readonly Uint8Array[],
  config: Uint8Array = configOf(layers),
): Promise<ExploredImage> {
  let image: ExploredImage | undefined;
  await inWorkDirectory(async (at) => {
    await using source = await openImageLayout(writeFiles(at('layout'), layoutFiles({}, layers, config)));
    image = await exploreImage(source);
  });
  return image!;
}

export async function pageOf(image: ExploredImage, compare?: ExploredImage): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of writeImagePage(image, { compare })) parts.push(part);
  return Buffer.concat(parts);
}

/** Opens a page from a file, for as long as it is used. */
export async function withPage(
  browser: Browser,
  html: Buffer,
  use: (opened: OpenedPage) => Promise<void>,
  options: BrowserContextOptions = {},
): Promise<void> {
  await inWorkDirectory(async (at) => {
    const url = pathToFileURL(at('page.html')).href;
    writeFileSync(at('page.html'), html);
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    try {
      const page = await context.newPage();
      const requests: string[] = [];
      const faults: string[] = [];
      page.on('request', (request) => request.url() !== url && requests.push(request.url()));
      page.on('pageerror', (error) => faults.push(String(error)));
      page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
      page.on('dialog', (dialog) => {
        faults.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      await page.goto(url);
      await use({ page, requests, faults });
    } finally {
      await context.close();
    }
  });
}
