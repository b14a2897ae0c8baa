/** A message for the user while a registry is asked. */
export type RegistryNotice =
  /** A request has failed and is retried after a delay. */
  | { readonly type: 'wait'; readonly delayMs: number; readonly reason: string }
  /** A problem that does not stop the work, such as a credential helper that fails. */
  | { readonly type: 'warning'; readonly message: string };

/** Passes on each warning once, and concurrent delays as one. */
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
