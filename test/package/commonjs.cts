// A CommonJS program of somebody who embeds overlayer: compiled against its published types, strictly, and run.
import overlayer = require('overlayer');
import layer = require('overlayer/layer');

const [path = ''] = process.argv.slice(2);
const plan = layer.planLayer(path);
plan.then(({ entries }: overlayer.LayerResult) => console.log(JSON.stringify({ entries })));
