// Types of the messages in `proto/`. An absent field has its default (`''`, 0, an empty list). An absent message is
// null. `test/daemon/messages.test.ts` compares both.

export interface TimestampMessage {
  readonly seconds: number;
  readonly nanos: number;
}

export interface FieldMaskMessage {
  readonly paths: readonly string[];
}

export type LabelsMessage = Readonly<Record<string, string>>;

/** An answer without data (`google.protobuf.Empty`). */
export type EmptyMessage = Readonly<Record<string, never>>;

export interface AnyMessage {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export interface MountMessage {
  readonly type: string;
  readonly source: string;
  readonly target: string;
  readonly options: readonly string[];
}

export interface DescriptorMessage {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly annotations: LabelsMessage;
}

/** An answer of containerd's namespaces service. */
export interface ListNamespacesResponse {
  readonly namespaces: readonly { readonly name: string; readonly labels: LabelsMessage }[];
}

/** An answer of containerd's introspection service. */
export interface PluginsResponse {
  readonly plugins: readonly {
    readonly type: string;
    readonly id: string;
    readonly exports: LabelsMessage;
  }[];
}

/** An answer of containerd's version service. */
export interface VersionResponse {
  readonly version: string;
}
