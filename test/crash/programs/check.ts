import { type Check, checkStore } from './check-store.js';

process.stdout.write(JSON.stringify(await checkStore(JSON.parse(process.argv[2]!) as Check)));
