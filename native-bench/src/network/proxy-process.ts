import { ShapedProxy } from '../../../test/helpers/shaped-proxy.js';

// Runs a proxy until its standard input ends, and prints its address: node proxy-process.js BEHIND LATENCY-MS BYTES-PER-SECOND
const [behind, latencyMs, bytesPerSecond] = process.argv.slice(2);
const proxy = await ShapedProxy.start(behind!, {
  latencyMs: Number(latencyMs),
  bytesPerSecond: Number(bytesPerSecond),
});
process.stdout.write(`${proxy.host}\n`);
process.stdin.on('end', () => process.exit()).resume();
