// Milliseconds that the removal of an image and of its data takes: node remove-image.mjs ROOT IMAGE
import { openStore } from '../../dist/image/index.js';

const [root, image] = process.argv.slice(2);
const store = await openStore({ root });
await store.images.list();
const start = process.hrtime.bigint();
await store.images.remove(image);
await store.images.prune();
console.log(Number(process.hrtime.bigint() - start) / 1e6);
await store.close();
