/** What an image runs on (OCI image spec, image-index.md "platform"). */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  /** `v7` of `arm/v7`. */
  readonly variant?: string | undefined;
  readonly osVersion?: string | undefined;
}
