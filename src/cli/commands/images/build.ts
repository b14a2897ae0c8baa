import { statSync } from 'node:fs';
import {
  type BuildEvent,
  type BuildOptions,
  type ConfigChanges,
  type Image,
  type NewLayer,
  parsePlatform,
  type Store,
  type Task,
} from '../../../index.js';
import { abortOnSignals } from '../../failure.js';
import type {
  AppendFlags,
  CommitFlags,
  ConfigImageFlags,
  MakeFlags,
  RebaseFlags,
  SquashFlags,
} from '../../flags/build-flags.js';
import { openLayer } from '../../input.js';
import { platformOf } from '../../options.js';
import { imageDocument, PullTally } from '../../render/image.js';
import { printResult } from '../../render/print.js';
import { LateProgress } from '../../render/progress/late-progress.js';
import { createPullProgress } from '../../render/progress/pull-progress.js';
import { withExistingStore, withStore } from '../../with-root.js';

export async function commit(target: string, name: string, flags: CommitFlags): Promise<number> {
  return await make(flags, (store, options) => store.commit(target, name, { ...options, base: flags.base }));
}

export async function append(image: string, layers: readonly string[], flags: AppendFlags): Promise<number> {
  // There is nothing that an image from nothing could be found in.
  const base = image === 'scratch' ? undefined : image;
  const start: Start = (store, options) =>
    store.createImage({
      ...options,
      ...{
        base,
        name: flags.tag,
        layers: layers.map((layer) => layerOf(layer, base)),
        createdBy: 'overlayer append',
      },
    });
  return await make(flags, start, base === undefined ? withStore : withExistingStore);
}

export async function config(image: string, flags: ConfigImageFlags): Promise<number> {
  return await make(flags, (store, options) =>
    store.createImage({ ...options, base: image, name: flags.tag, createdBy: 'overlayer config' }),
  );
}

export async function squash(image: string, flags: SquashFlags): Promise<number> {
  return await make(flags, (store, options) =>
    store.squash(image, flags.tag, { ...options, from: flags.from }),
  );
}

export async function rebase(image: string, flags: RebaseFlags): Promise<number> {
  return await make(flags, (store, options) =>
    store.rebase(image, flags.tag, { ...options, oldBase: flags.old, newBase: flags.new }),
  );
}

type Start = (store: Store, options: BuildOptions) => Task<Image, BuildEvent>;

/** Shows the progress, and prints the new image. @returns the exit code */
async function make(
  flags: MakeFlags,
  start: Start,
  open: typeof withExistingStore = withExistingStore,
): Promise<number> {
  const signal = abortOnSignals();
  return await open(flags, async (store) => {
    const started = performance.now();
    const task = start(store, { ...buildOptions(flags), signal });
    const view = createPullProgress(flags.progress);
    const tally = new PullTally();
    let making: LateProgress | undefined;
    try {
      for await (const event of task)
        if (event.type === 'make') {
          making ??= new LateProgress(flags.progress);
          making.update(event);
        } else if (event.type === 'made') {
          await making?.end();
          making = undefined;
        } else {
          tally.add(event);
          view.tell(event);
        }
    } finally {
      await making?.end();
      await view.end();
    }
    const image = await task;
    const seconds = (performance.now() - started) / 1000;
    printResult(flags, { image: imageDocument(image), seconds }, tally.summary('Made', image, seconds));
  });
}

/** @throws OverlayerError `InvalidArgument` */
function buildOptions(flags: MakeFlags): BuildOptions {
  const { message, sourceDateEpoch, compression, annotation, annotationRm } = flags;
  return {
    ...compression,
    ...{ sourceDateEpoch, platform: platformOf(flags), comment: message, config: configChanges(flags) },
    annotations: { ...annotation, ...each(annotationRm, null) },
  };
}

/** A change that no option asks for is undefined. */
function configChanges(flags: MakeFlags): ConfigChanges {
  const { env, envRm, entrypoint, cmd, user, workdir, label, labelRm, author } = flags;
  const { expose, exposeRm, volume, volumeRm, stopSignal, setPlatform } = flags;
  return {
    ...{ entrypoint, cmd, user, workingDir: workdir, stopSignal, author },
    env: changes(env, envRm),
    labels: changes(label, labelRm),
    exposedPorts: changes(expose && each(expose, true), exposeRm),
    volumes: changes(volume && each(volume, true), volumeRm),
    platform: setPlatform === undefined ? undefined : parsePlatform(setPlatform),
  };
}

function changes<Value>(
  set: Readonly<Record<string, Value>> | undefined,
  removed: readonly string[] | undefined,
): Readonly<Record<string, Value | null>> | undefined {
  return set === undefined && removed === undefined ? undefined : { ...set, ...each(removed, null) };
}

function each<Value>(names: readonly string[] = [], value: Value): Readonly<Record<string, Value>> {
  return Object.fromEntries(names.map((name) => [name, value]));
}

/** A directory is copied into an image that has a root already, as by COPY in a Dockerfile. */
function layerOf(argument: string, base: string | undefined): NewLayer {
  const isDirectory = statSync(argument, { throwIfNoEntry: false })?.isDirectory();
  if (isDirectory) return { trees: { upper: argument, leaveRoot: base !== undefined } };
  return { archive: openLayer(argument).source };
}
