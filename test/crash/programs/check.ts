import { type Check, checkStore } from './check-store.js';

const problems: string[] = [];
for (const check of JSON.parse(process.argv[2]!) as readonly Check[])
  problems.push(...(await checkStore(check)));
process.stdout.write(JSON.stringify(problems));
