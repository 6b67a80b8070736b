import type { FastifyRequest } from 'fastify';
import type { DomainError } from '../failure.js';

/** Sees every failure before it is answered, whoever threw it. */
export abstract class FailureWitness {
  /** The answer waits for the promise, which never rejects; null where there is nothing to wait for. */
  abstract witness(failure: DomainError, request: FastifyRequest): Promise<void> | null;
}
