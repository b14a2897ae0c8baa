import { displayJson } from '../../index.js';

/** Says what came of it: in words, or with `--json` as one document. */
export function printResult({ json }: { readonly json?: true }, document: unknown, text: string): void {
  process.stdout.write(json ? `${displayJson(document, 2)}\n` : text);
}
