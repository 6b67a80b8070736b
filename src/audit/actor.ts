import type { Origin } from '../kernel/origin.js';

/** Who acts, with which credential, from where. */
export interface Actor {
  readonly kind: 'user' | 'project' | 'machine-identity' | 'organization' | 'auth-method' | 'system' | 'anonymous';
  /** The person or machine; null for the service itself, and for whoever has not shown who they are. */
  readonly id: string | null;
  readonly credential: { readonly kind: 'session' | 'token' | 'client-secret' | 'client-key'; readonly id: string } | null;
  readonly origin: Origin | null;
}

/** The service acting on its own, such as at its first start. */
export const SYSTEM: Actor = { kind: 'system', id: null, credential: null, origin: null };
