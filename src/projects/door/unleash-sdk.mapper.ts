import { createHash } from 'node:crypto';
import type { Principal } from '../../access/principal.js';
import type { ProjectScope } from '../../tokens/token.js';
import type { VerifiedToken } from '../../tokens/verdict.js';
import { toText } from './unleash-rules.js';
import type { UnleashFeatures, UnleashFeaturesQuery, UnleashValidate, UnleashValidTokens } from './unleash-sdk.dto.js';
import { toType } from './unleash.mapper.js';

export function toPresentedTokens({ tokens }: UnleashValidate): readonly string[] {
  return (tokens as readonly unknown[]).map((token) => toText(token) ?? '');
}

/** In the order asked, repeated where asked for repeatedly; whatever is not live is left out. */
export function toValidTokens(presented: readonly string[], live: ReadonlyMap<string, VerifiedToken>): UnleashValidTokens {
  const tokens = presented.flatMap((secret) => {
    const token = live.get(secret);
    if (!token) return [];
    return [{ token: secret, type: toType(token), projects: toKeys(token.projects) ?? ['*'], environment: token.environment }];
  });
  return { tokens };
}

/** No features, of the projects and the environment of the token. */
export function toFeatures({ projects, token }: Principal): UnleashFeatures {
  const keys = toKeys(projects);
  const environment = token?.environment ?? null;
  const query: UnleashFeaturesQuery = { ...(keys && { project: keys }), environment, inlineSegmentConstraints: true };
  const queryHash = createHash('sha256').update(JSON.stringify(query)).digest('hex').slice(0, 8);
  const revisionId = 0;
  return { version: 2, features: [], query, meta: { revisionId, etag: `"${queryHash}:${revisionId}:v1"`, queryHash } };
}

/** Null for all. */
function toKeys(projects: ProjectScope): string[] | null {
  return projects === 'all' ? null : projects.map(({ key }) => key);
}
