import { extract } from 'tar';

const [layer, dest] = process.argv.slice(2);
await extract({ file: layer, cwd: dest, preserveOwner: true });
