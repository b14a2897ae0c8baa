import type { DescriptorMessage, LabelsMessage, MountMessage, TimestampMessage } from '../messages.js';

export interface ApplyRequest {
  readonly diff: DescriptorMessage | null;
  readonly mounts: readonly MountMessage[];
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
