// The messages of `proto/` as they are in TypeScript: what is not set has its default (`''`, 0, none).

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
  readonly namespaces: readonly { readonly name: string }[];
}

/** Of containerd's introspection service. */
export interface PluginsResponse {
  readonly plugins: readonly { readonly exports: LabelsMessage }[];
}
