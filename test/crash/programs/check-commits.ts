import { type CheckCommit, checkCommit } from './check-commit.js';

process.stdout.write(JSON.stringify(await checkCommit(JSON.parse(process.argv[2]!) as CheckCommit)));
