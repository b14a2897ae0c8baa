import { work } from './work.js';

const [layer, folder] = process.argv.slice(2);
work(layer, folder).then((result) => console.log(JSON.stringify(result)));
