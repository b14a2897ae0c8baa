/** What an entry is; contiguous files (`7`) are files. */
export type EntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo';

/**
 * One member of an archive, all its headers (PAX, GNU, sparse) taken together.
 *
 * Names are bytes in tar. They are given as strings: valid UTF-8 as usual, every other byte as a lone
 * surrogate U+DC80–U+DCFF (Python's "surrogateescape"), so that nothing is lost; `encodePath` turns them back.
 */
export interface TarEntry {
  /** As the archive spells it: not cleaned, perhaps hostile. */
  readonly path: string;
  readonly type: EntryType;
  /** Bytes of the file once written; for a sparse file its full size, holes included. 0 unless a file. */
  readonly size: number;
  /** Permission bits and setuid, setgid, sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Modification time: whole seconds (negative before 1970) and nanoseconds 0 to 999,999,999. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Access time, where a PAX record gives one; otherwise undefined. */
  readonly atimeSec: number | undefined;
  readonly atimeNsec: number | undefined;
  /** Target of a symlink or hard link, as the archive spells it; otherwise ''. */
  readonly linkPath: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** `SCHILY.xattr.*` records, names without that prefix; undefined when there are none. */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** True when data come for some ranges only; the rest are holes. */
  readonly sparse: boolean;
  /** Where the entry's first header (extensions included) begins, in bytes from the archive's start. */
  readonly offset: number;
}

/** Receives an archive from `TarDecoder`, in its order, synchronously. */
export interface TarSink {
  /** A new entry begins; its data follow. */
  entry(entry: TarEntry): void;
  /**
   * Bytes `start` to `end` of `bytes` belong at `position` of the current file. The memory is the decoder's
   * input: copy what you keep. Never called for an empty file.
   */
  data(bytes: Uint8Array, start: number, end: number, position: number): void;
  /** The current entry is complete. Called for every entry, of whatever type. */
  entryEnd(): void;
}
