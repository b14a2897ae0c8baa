// Looks for secrets in the files of an image: private keys, tokens, passwords of registries. Nothing is unpacked.

import { displayPath, openImageFiles } from 'overlayer/explore';
import { detectSource, openImageArchive, openImageLayout, openRegistry } from 'overlayer/images';

const [image = 'fixtures/image.tar'] = process.argv.slice(2);
const MAX_BYTES = 1024 ** 2;
const SECRETS = {
  'private key': /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/,
  'key of AWS': /\bAKIA[0-9A-Z]{16}\b/,
  'token of npm': /_authToken\s*=\s*[^\s$]+/,
  'registry password': /"auth"\s*:\s*"[A-Za-z0-9+/=]+"/,
};

/** @returns {Promise<import('overlayer/images').ImageSource>} */
async function open() {
  if (image.startsWith('docker://')) return openRegistry(image.slice('docker://'.length));
  return (await detectSource(image)) === 'layout' ? openImageLayout(image) : openImageArchive(image);
}

/** @param {import('overlayer/explore').ImageFile} file */
async function read(file) {
  const chunks = [];
  for await (const chunk of file.body()) chunks.push(chunk);
  return Buffer.concat(chunks).toString('latin1');
}

const source = await open();
let found = 0;
try {
  for await (const file of openImageFiles(source, { limits: { maxBytes: 16 * 1024 ** 3 } })) {
    if (file.type !== 'file' || file.size > MAX_BYTES) continue;
    const text = await read(file);
    for (const [kind, pattern] of Object.entries(SECRETS))
      if (pattern.test(text))
        console.log(++found, `layer ${file.layer}: ${kind} in ${displayPath(file.path)}`);
  }
} finally {
  await source.close();
}
console.log(`${found} secrets`);
