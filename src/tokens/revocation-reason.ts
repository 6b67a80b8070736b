/** Why somebody ends a token: the reasons of RFC 5280 section 5.3.1 that mean something for one. */
export const REVOCATION_REASONS = ['unspecified', 'key_compromise', 'affiliation_changed', 'superseded', 'cessation_of_operation', 'privilege_withdrawn'] as const;
export type RevocationReason = (typeof REVOCATION_REASONS)[number];

/** Its secret is known to others. */
export const COMPROMISED: RevocationReason = 'key_compromise';

/** Of a token that ended with the one it was minted with. */
export const PARENT_REVOKED = 'parent-revoked';

/** Ends that a person chose, and may have chosen by mistake. No other end is undone: not a compromise, nor what follows from something that is gone. */
const UNDOABLE: ReadonlySet<string> = new Set([...REVOCATION_REASONS.filter((reason) => reason !== COMPROMISED), 'deleted', 'revoked-by-holder']);

export function isUndoable(reason: string | null): boolean {
  return reason !== null && UNDOABLE.has(reason);
}
