/** The type of an entry. Contiguous files (`7`) are files. */
export type EntryType =
  | 'file'
  | 'directory'
  | 'symlink'
  | 'hardlink'
  | 'character-device'
  | 'block-device'
  | 'fifo';

/**
 * One member of an archive, with the content of all its headers (PAX, GNU, sparse).
 *
 * Names in tar are bytes. They are decoded as UTF-8; each invalid byte becomes a lone surrogate U+DC80–U+DCFF (Python's
 * "surrogateescape"). `encodePath` returns the same bytes.
 */
export interface TarEntry {
  /** The name as in the archive: not cleaned, possibly hostile. */
  readonly path: string;
  readonly type: EntryType;
  /** Size of the extracted file in bytes, including holes. 0 for other types. */
  readonly size: number;
  /** Permission bits and setuid, setgid, sticky: 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Modification time: whole seconds (negative before 1970) and nanoseconds 0 to 999,999,999. */
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  /** Access time of a PAX record: seconds and nanoseconds. Undefined without one. */
  readonly atimeSec: number | undefined;
  readonly atimeNsec: number | undefined;
  /** Target of a symlink or hard link as in the archive; '' for other types. */
  readonly linkPath: string;
  readonly devMajor: number;
  readonly devMinor: number;
  /** Values of `SCHILY.xattr.*` records by names without this prefix; undefined when there are none. */
  readonly xattrs: ReadonlyMap<string, Uint8Array> | undefined;
  /** Whether the file has holes, which get no data. */
  readonly sparse: boolean;
  /** Offset of the entry's first header, extension headers included, in bytes of the uncompressed archive. */
  readonly offset: number;
  /** Offset of the entry's stored data, without headers and sparse maps, in bytes of the uncompressed archive. */
  readonly dataOffset: number;
}

/** Receives the entries of an archive from `TarDecoder`, in order and synchronously. */
export interface TarSink {
  /** A new entry begins; its data follow. */
  entry(entry: TarEntry): void;
  /**
   * Bytes `start` to `end` of `bytes` belong at `position` of the current file. The memory is the decoder's
   * input: copy what you keep. Never called for an empty file.
   */
  data(bytes: Uint8Array, start: number, end: number, position: number): void;
  /** The current entry is complete. Called for every entry of any type. */
  entryEnd(): void;
}
