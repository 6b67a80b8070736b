/** What a webhook can be told of. */
export const NOTICE_EVENTS = [
  'token.created',
  'token.rotated',
  'token.expiring',
  'token.expired',
  'token.rotation_due',
  'token.revoked',
  'token.exposed',
  'token.reuse_detected',
  'token.policy_blocked',
] as const;
export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

/** Sent where somebody tries a webhook out, whatever it has selected. */
export const PING = 'webhook.ping';

/** What the record calls it. What time alone does, such as ending a token, is nobody's doing and not recorded. */
const BY_ACTION = new Map<string, NoticeEvent>([
  ['token.minted', 'token.created'],
  ['token.imported', 'token.created'],
  ['token.rotated', 'token.rotated'],
  ['token.revoked', 'token.revoked'],
  ['token.exposed', 'token.exposed'],
  ['token.reuse-detected', 'token.reuse_detected'],
  ['token.policy-blocked', 'token.policy_blocked'],
]);

export function noticeOf(action: string): NoticeEvent | null {
  return BY_ACTION.get(action) ?? null;
}
