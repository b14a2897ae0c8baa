// The messages of `proto/` as TypeScript sees them. A field that is not set has its default (`''`, 0, no elements); a
// message that is not set is null. `test/daemon/messages.test.ts` compares both.

export interface TimestampMessage {
  readonly seconds: number;
  readonly nanos: number;
}

export interface FieldMaskMessage {
  readonly paths: readonly string[];
}

export type LabelsMessage = Readonly<Record<string, string>>;

/** The answer where there is nothing to say. */
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

/** Of containerd's namespaces service. */
export interface ListNamespacesResponse {
  readonly namespaces: readonly { readonly name: string; readonly labels: LabelsMessage }[];
}

/** Of containerd's introspection service. */
export interface PluginsResponse {
  readonly plugins: readonly {
    readonly type: string;
    readonly id: string;
    readonly exports: LabelsMessage;
  }[];
}
