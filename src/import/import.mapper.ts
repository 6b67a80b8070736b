import type { DomainError, Failures, FailureCode } from '../kernel/failure.js';
import type { ImportOutcome } from '../tokens/token-import.js';
import { readDigest } from '../tokens/foreign-digest.js';
import { digestOf } from '../tokens/token-secret.js';
import type { ForeignSecret } from '../tokens/token-import.js';
import { toAlgorithm, type ImportError, type ImportOutcomes, type ImportResult, type ImportRow } from './import.dto.js';

/** What stands before the random part of a secret of projects: theirs and their environment's names. */
const LOOK = /^[\w*[\]-]{1,120}:[\w*-]{1,120}\./;

/** Whatever must not be missing has been judged before. */
export function toForeignSecret({ hash, secret, algorithm = '' }: ImportRow): ForeignSecret {
  if (secret !== undefined) return { digest: digestOf(secret), secret };
  const named = toAlgorithm(algorithm);
  const digest = hash === undefined || named === null || named === 'plain' ? null : readDigest(named, hash);
  if (!digest) throw new Error('a row without a secret was let in');
  return { digest, secret: null };
}

/** The look before a secret, to be shown in its hint and kept when it is rotated. */
export function lookOf({ kind, secret = '' }: ImportRow): string {
  return kind === 'project' ? (LOOK.exec(secret)?.[0] ?? '') : '';
}

/** Of a dry run there are no ids: those tokens are not there. */
export function toOutcomes(outcomes: readonly ImportOutcome[], dryRun: boolean): ImportOutcomes {
  const results = outcomes.map((outcome, index): ImportResult =>
    'token' in outcome ? { index, status: 'imported', id: dryRun ? null : outcome.token.id, error: null } : { index, status: 'refused', id: null, error: toError(outcome.refusal) });
  const refused = results.filter(({ status }) => status === 'refused').length;
  return { results, imported: results.length - refused, refused };
}

function toError(refusal: DomainError): ImportError {
  const { code, message } = refusal;
  const details: Partial<Failures[FailureCode]> & Record<string, unknown> = { ...refusal.details };
  return {
    code,
    detail: message,
    ...(code === 'conflict' && { reason: String(details['reason']) }),
    ...(Array.isArray(details['permissions']) && { permissions: details['permissions'] as string[] }),
    ...(Array.isArray(details['rules']) && { rules: details['rules'] as string[] }),
    ...(isInputInvalid(refusal) && { errors: refusal.details.violations.map(({ at, message: fault }) => ({ path: at.join('.'), message: fault })) }),
  };
}

function isInputInvalid(refusal: DomainError): refusal is DomainError<'input-invalid'> {
  return refusal.code === 'input-invalid';
}
