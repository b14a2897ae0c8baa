// Decides by a function which images may enter a store. Programs in /opt/containerd/image-verifier/bin are asked too.
import { OverlayerError, openStore } from 'overlayer/images';

const [image = 'fixtures/image.tar', root = 'store'] = process.argv.slice(2);
const ALLOWED = ['docker.io/library/', 'registry.example/'];

/** @type {import('overlayer/images').ImageVerifier} */
const onlyKnownRepositories = (name, target) => ({
  ok: ALLOWED.some((prefix) => name.startsWith(prefix)),
  reason: `${name} (${target.digest}) is in none of ${ALLOWED.join(', ')}`,
});

const store = await openStore({ root });
try {
  const verify = { verifiers: [onlyKnownRepositories] };
  for (const { name } of await store.import(image, { verify })) console.log(`accepted ${name}`);
  await store.import(image, { verify, name: 'elsewhere.example/app:1' });
} catch (error) {
  if (!OverlayerError.is(error) || error.code !== 'PermissionDenied') throw error;
  console.log(`refused: ${error.message}`);
} finally {
  await store.close();
}
