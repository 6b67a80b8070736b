import type { DomainError } from '../failure.js';
import type { BareRequest } from './bare.js';

/** Sees every failure before it is answered, whoever threw it. */
export abstract class FailureWitness {
  /** The answer waits for the promise, which never rejects; null where there is nothing to wait for. */
  abstract witness(failure: DomainError, request: BareRequest): Promise<void> | null;
}
