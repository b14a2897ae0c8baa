import { join } from 'node:path';
import type { ByteSource } from '../../base/byte-source.js';
import { checkOptions, checkPath, pickOptions } from '../../base/check-arguments.js';
import { Deferred } from '../../base/deferred.js';
import { ProgressTask, type Task, type Tell } from '../../base/task.js';
import type { ContentStore } from '../../content/content-store.js';
import { openContentStore } from '../../content/open-content-store.js';
import type { Snapshotter } from '../../snapshot/snapshotter.js';
import { openRoot } from '../../snapshot/store/open-root.js';
import {
  type BuildEvent,
  COMMIT_IMAGE_OPTIONS,
  type CommitImageOptions,
  CREATE_IMAGE_OPTIONS,
  type CreateImageOptions,
  REBASE_IMAGE_OPTIONS,
  type RebaseImageOptions,
  SQUASH_IMAGE_OPTIONS,
  type SquashImageOptions,
} from '../build/options.js';
import {
  CONVERT_OPTIONS,
  type ConvertEvent,
  type ConvertOptions,
  type CopiedImage,
  type CopyEvent,
  PUSH_OPTIONS,
  type PushOptions,
} from '../copy/options.js';
import type { PullEvent } from '../pull/pull-event.js';
import { pullImage } from '../pull/pull-image.js';
import { openRegistry } from '../registry/open-registry.js';
import { OPEN_REGISTRY_TARGET_OPTIONS, openRegistryTarget } from '../registry/push/open-registry-target.js';
import { OPEN_REGISTRY_OPTIONS } from '../registry/registry-access.js';
import type { RegistryNotice } from '../registry/registry-notice.js';
import type { ImageSource } from '../source/image-source.js';
import { AdmittedImage } from './admit-image.js';
import { importImages } from './import-images.js';
import { unmountImage } from './mount-image.js';
import { RecordedImages } from './recorded-images.js';
import {
  IMPORT_OPTIONS,
  type Image,
  type ImportOptions,
  type OpenStoreOptions,
  PULL_OPTIONS,
  type PullOptions,
  type Store,
} from './store.js';
import type { StoreParts } from './store-parts.js';

/** An image store below one root, with one metadata store. */
export class RootStore implements Store {
  readonly images: RecordedImages;
  readonly #parts: StoreParts;
  readonly #running = new Set<PromiseLike<unknown>>();
  #closed: Promise<void> | undefined;

  private constructor(parts: StoreParts) {
    this.#parts = parts;
    this.images = new RecordedImages(parts);
  }

  static async open(options: OpenStoreOptions): Promise<RootStore> {
    const { path, system, store: metadata, snapshots, directories } = await openRoot(options);
    try {
      const content = await openContentStore({ root: join(path, 'content'), metadata, system });
      return new RootStore({ metadata, snapshots, content, directories });
    } catch (error) {
      await snapshots.close();
      throw error;
    }
  }

  get snapshots(): Snapshotter {
    return this.#parts.snapshots;
  }

  get content(): ContentStore {
    return this.#parts.content;
  }

  pull(reference: string, options: PullOptions = {}): Task<Image, PullEvent> {
    return this.#start(async (tell) => {
      checkOptions('pull', options, PULL_OPTIONS);
      const { signal } = options;
      await using source = await openRegistry(reference, {
        ...pickOptions(options, OPEN_REGISTRY_OPTIONS),
        onNotice: toBoth(tell, options.onNotice),
      });
      const [image] = await source.images({ known: (await this.images.find(reference))?.target, signal });
      const admitted = await AdmittedImage.admit(image!.name!, image!.target, options);
      return this.images.open(await pullImage(this.#parts, source, admitted, options, tell));
    });
  }

  import(
    source: string | URL | ByteSource | ImageSource,
    options: ImportOptions = {},
  ): Task<readonly Image[], PullEvent> {
    return this.#start(async (tell) => {
      checkOptions('import', options, IMPORT_OPTIONS);
      if (typeof source === 'string') checkPath('source', source);
      const records = await importImages(this.#parts, source, options, tell);
      return records.map((record) => this.images.open(record));
    });
  }

  createImage(options: CreateImageOptions): Task<Image, BuildEvent> {
    return this.#start(async (tell) => {
      checkOptions('createImage', options, CREATE_IMAGE_OPTIONS);
      const { createImage } = await import('../build/create-image.js');
      const base = options.base === undefined ? undefined : await this.images.get(options.base);
      return this.images.open(await createImage(this.#parts, base, { name: options.name, options, tell }));
    });
  }

  commit(target: string, name: string, options: CommitImageOptions = {}): Task<Image, BuildEvent> {
    return this.#start(async (tell) => {
      checkOptions('commit', options, COMMIT_IMAGE_OPTIONS);
      const { commitImage } = await import('../build/commit-image.js');
      return this.images.open(await commitImage(this.#parts, this.images, target, { name, options, tell }));
    });
  }

  squash(image: string, name: string, options: SquashImageOptions = {}): Task<Image, BuildEvent> {
    return this.#start(async (tell) => {
      checkOptions('squash', options, SQUASH_IMAGE_OPTIONS);
      const { squashImage } = await import('../build/squash-image.js');
      const found = await this.images.get(image);
      return this.images.open(await squashImage(this.#parts, found, { name, options, tell }));
    });
  }

  rebase(image: string, name: string, options: RebaseImageOptions): Task<Image, BuildEvent> {
    return this.#start(async (tell) => {
      checkOptions('rebase', options, REBASE_IMAGE_OPTIONS);
      const { rebaseImage } = await import('../build/rebase-image.js');
      return this.images.open(await rebaseImage(this.#parts, this.images, image, { name, options, tell }));
    });
  }

  push(name: string, reference?: string, options: PushOptions = {}): Task<CopiedImage, CopyEvent> {
    return this.#start(async (tell) => {
      checkOptions('push', options, PUSH_OPTIONS);
      const { ImageCopy } = await import('../copy/image-copy.js');
      const image = await this.images.get(name);
      await using target = await openRegistryTarget(reference ?? image.name, {
        ...pickOptions(options, OPEN_REGISTRY_TARGET_OPTIONS),
        onNotice: toBoth(tell, options.onNotice),
      });
      const source = await this.images.source(image.name);
      const [copied] = await new ImageCopy(source, target, options, tell).run();
      return copied!;
    });
  }

  convert(name: string, newName: string, options: ConvertOptions = {}): Task<Image, ConvertEvent> {
    return this.#start(async (tell) => {
      checkOptions('convert', options, CONVERT_OPTIONS);
      const { convertImage } = await import('../copy/convert-image.js');
      const image = await this.images.get(name);
      return this.images.open(await convertImage(this.#parts, image, newName, options, tell));
    });
  }

  async unmount(directory: string): Promise<void> {
    await unmountImage(this.#parts, directory);
  }

  close(): Promise<void> {
    this.#closed ??= this.#end();
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #start<T, Event = PullEvent>(work: (tell: Tell<Event>) => Promise<T>): Task<T, Event> {
    const running = new Deferred<void>();
    this.#running.add(running.promise);
    return new ProgressTask(async (tell) => {
      try {
        return await work(tell);
      } finally {
        running.resolve();
        this.#running.delete(running.promise);
      }
    });
  }

  async #end(): Promise<void> {
    await Promise.all(this.#running);
    // This closes the metadata store, which the content store needs until here.
    await this.snapshots.close();
  }
}

/** Notices are events of the task, and go to the caller's function. */
function toBoth(
  tell: Tell<RegistryNotice>,
  onNotice: PullOptions['onNotice'],
): (notice: RegistryNotice) => void {
  return (notice) => {
    tell(notice);
    onNotice?.(notice);
  };
}
