/** What one hears of a registry beside its answers. */
export type RegistryNotice =
  /** The registry, or the way to it, has failed, and is asked again after a while. */
  | { readonly type: 'wait'; readonly delayMs: number; readonly reason: string }
  /** Something that is not as it should be, and is done without: a credential helper that fails. */
  | { readonly type: 'warning'; readonly message: string };

/** Tells each once: several blobs that wait for the same registry are one wait. */
export function onceEach(tell: (notice: RegistryNotice) => void): (notice: RegistryNotice) => void {
  const told = new Set<string>();
  let waitsUntil = 0;
  return (notice) => {
    switch (notice.type) {
      case 'wait': {
        const now = performance.now();
        if (now < waitsUntil) return;
        waitsUntil = now + notice.delayMs;
        return tell(notice);
      }
      case 'warning':
        if (told.has(notice.message)) return;
        told.add(notice.message);
        return tell(notice);
      default:
        return notice satisfies never;
    }
  };
}
