import { OverlayerError } from '../../../src/base/errors.js';
import { openLmdbStore } from '../../../src/metadata/lmdb-store.js';
import type { MetadataStore } from '../../../src/metadata/metadata-store.js';

// Goes on to write to a store and to read it, whatever is refused. Prints what it got.

const outcomes: string[] = [];

async function attempt(what: string, work: () => unknown): Promise<void> {
  try {
    await work();
    outcomes.push(`${what}: done`);
  } catch (error) {
    outcomes.push(`${what}: ${OverlayerError.is(error) ? `${error.code} ${error.errno}` : String(error)}`);
  }
}

let store: MetadataStore | undefined;
await attempt('open', () => {
  store = openLmdbStore(JSON.parse(process.argv[2]!) as string);
});
if (store !== undefined) await writeOn(store);
console.log(JSON.stringify(outcomes));

async function writeOn(store: MetadataStore): Promise<void> {
  const put = (key: string) => () => store.write((transaction) => transaction.put([key], { of: key }));
  const first = attempt('first', put('first'));
  // It comes while the first one is being written.
  setImmediate(() => setImmediate(() => void attempt('beside', put('beside'))));
  await first;
  await attempt('second', put('second'));
  await attempt('read', () => store.read((transaction) => transaction.get(['first'])));
  await attempt('close', () => store.close());
}
