/** Where a request comes from, as the audit log and token rules see it. */
export interface Origin {
  readonly requestId: string;
  /** The client's address; forwarded headers count only from trusted proxies. */
  readonly ip: string;
  readonly userAgent: string | null;
}
