import type { FieldMaskMessage, LabelsMessage, TimestampMessage } from '../messages.js';

/** The request of Info and Delete. */
export interface DigestRequest {
  readonly digest: string;
}

/** The request of Status and Abort. */
export interface RefRequest {
  readonly ref: string;
}

/** The request of List and ListStatuses. */
export interface ListContentRequest {
  readonly filters: readonly string[];
}

export interface BlobInfoMessage {
  readonly digest: string;
  readonly size: number;
  readonly createdAt: TimestampMessage;
  readonly updatedAt: TimestampMessage;
  readonly labels: LabelsMessage;
}

/** The answer of Info and Update. */
export interface InfoResponse {
  readonly info: BlobInfoMessage;
}

export interface UpdateContentRequest {
  readonly info: BlobInfoMessage | null;
  readonly updateMask: FieldMaskMessage | null;
}

export interface ListContentResponse {
  readonly info: readonly BlobInfoMessage[];
}

export interface ReadRequest {
  readonly digest: string;
  readonly offset: number;
  /** 0 reads to the end. */
  readonly size: number;
}

export interface ReadResponse {
  readonly offset: number;
  readonly data: Uint8Array;
}

export interface StatusMessage {
  readonly ref: string;
  readonly startedAt: TimestampMessage;
  readonly updatedAt: TimestampMessage;
  readonly offset: number;
  readonly total: number;
  readonly expected: string;
}

export interface StatusResponse {
  readonly status: StatusMessage;
}

export interface ListStatusesResponse {
  readonly statuses: readonly StatusMessage[];
}

export interface WriteRequest {
  readonly action: 'STAT' | 'WRITE' | 'COMMIT';
  readonly ref: string;
  readonly total: number;
  readonly expected: string;
  readonly offset: number;
  readonly data: Uint8Array;
  readonly labels: LabelsMessage;
}

export interface WriteResponse {
  readonly action: WriteRequest['action'];
  /** Both times are null unless the action is STAT. */
  readonly startedAt: TimestampMessage | null;
  readonly updatedAt: TimestampMessage | null;
  readonly offset: number;
  readonly total: number;
  readonly digest: string;
}
