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
  /** Data for containerd's stream processors, which this differ does not use. */
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
