import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { createRuntimeSpec, displayPath, OverlayerError } from '../../../index.js';
import { abortOnSignals, fileFailure } from '../../failure.js';
import type { BundleFlags } from '../../flags/image-flags.js';
import { platformOf } from '../../options.js';
import { counted } from '../../render/format.js';
import { printResult } from '../../render/print.js';
import { withExistingStore } from '../../with-root.js';

/** Makes a runtime bundle: `rootfs`, and `config.json` beside it. A failure leaves neither of them. */
export async function bundle(name: string, directory: string, flags: BundleFlags): Promise<number> {
  const signal = abortOnSignals();
  return await withExistingStore(flags, async (store) => {
    const platform = platformOf(flags);
    const image = await store.images.get(name);
    const { config } = await image.contents({ platform });
    const rootfs = join(resolve(directory), 'rootfs');
    const file = join(directory, 'config.json');
    const isNew = await makeDirectory(directory);
    let isUnpacked = false;
    try {
      await image.unpackTo(rootfs, { platform, rootless: flags.rootless, signal });
      isUnpacked = true;
      const rootless = flags.rootless && ownMappings();
      const { spec, omittedLabels } = await createRuntimeSpec(config, { rootfs, os: flags.os, rootless });
      const portable = { ...spec, root: { ...spec.root, path: 'rootfs' } };
      await writeFile(file, `${JSON.stringify(portable, undefined, 2)}\n`, { flag: 'wx' }).catch((error) => {
        throw taken(error) ?? fileFailure(error, `Cannot write "${file}"`);
      });
      printResult(
        flags,
        { image: image.name, directory, rootfs, omittedLabels },
        `Made a bundle of ${displayPath(image.name)} in ${displayPath(directory)}\n${omitted(omittedLabels)}`,
      );
    } catch (error) {
      if (isUnpacked) await rm(rootfs, { recursive: true, force: true });
      if (isNew) await rm(directory, { recursive: true, force: true });
      throw error;
    }
  });
}

/** @returns whether it is new */
async function makeDirectory(directory: string): Promise<boolean> {
  try {
    await mkdir(directory);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw fileFailure(error, `Cannot make "${directory}"`);
  }
}

/** The same as `runc spec --rootless`: the caller is root in the container, and no other id exists there. */
function ownMappings() {
  const mapping = (hostID: number) => [{ containerID: 0, hostID, size: 1 }];
  return { uidMappings: mapping(process.geteuid!()), gidMappings: mapping(process.getegid!()) };
}

function taken(cause: NodeJS.ErrnoException): OverlayerError | undefined {
  if (cause.code !== 'EEXIST') return undefined;
  return new OverlayerError('FailedPrecondition', 'A config.json already exists there', { cause });
}

function omitted(labels: readonly string[]): string {
  if (labels.length === 0) return '';
  return `  left out   ${counted(labels.length, 'label', 'labels')} that would configure the runtime: ${labels.map(displayPath).join(', ')}\n`;
}
