// The same where TypeScript lets CommonJS require no ES module (module: node16, node18).
const [path = ''] = process.argv.slice(2);

async function main(): Promise<void> {
  const { planLayer } = await import('overlayer/layer');
  const { entries } = await planLayer(path);
  console.log(JSON.stringify({ entries }));
}

void main();
