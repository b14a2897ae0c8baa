import type {
  AnyMessage,
  DescriptorMessage,
  LabelsMessage,
  MountMessage,
  TimestampMessage,
} from '../messages.js';

export interface ApplyRequest {
  readonly diff: DescriptorMessage | null;
  readonly mounts: readonly MountMessage[];
  /** For containerd's stream processors. A layer that is read here needs none. */
  readonly payloads: Readonly<Record<string, AnyMessage>>;
  readonly syncFs: boolean;
}

export interface ApplyResponse {
  readonly applied: DescriptorMessage;
}

export interface DiffRequest {
  readonly left: readonly MountMessage[];
  readonly right: readonly MountMessage[];
  readonly mediaType: string;
  readonly ref: string;
  readonly labels: LabelsMessage;
  readonly sourceDateEpoch: TimestampMessage | null;
}

export interface DiffResponse {
  readonly diff: DescriptorMessage;
}
