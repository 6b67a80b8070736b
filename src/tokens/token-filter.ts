import type { Instant } from '../kernel/instant.js';
import type { TokenKind, TokenState } from './token.js';

/** Which tokens are meant: those of which all that is named here is true. */
export interface TokenFilter {
  readonly kind?: TokenKind;
  readonly ownerId?: string;
  readonly userId?: string;
  readonly identityId?: string;
  /** Null: only tokens that were minted, not obtained with a client secret; `any`: only the others. */
  readonly clientSecretId?: string | null;
  /** One of its projects. */
  readonly projectId?: string;
  readonly project?: string;
  /** What its only project is, and its environment there where one is named; or what owns it. */
  readonly confinedTo?: { readonly projectId: string; readonly environmentId?: string };
  /** Of all projects, in one of these environments. */
  readonly everywhereIn?: readonly string[];
  readonly environment?: string;
  readonly state?: TokenState;
  /** False: whatever is not revoked, be it expired. */
  readonly revoked?: boolean;
  readonly name?: string;
  readonly numbered?: true;
  readonly number?: number;
}

/** In a query on tokens `t`: what `OF_TOKEN` chooses from. */
export const LINKS = `token_projects tp
  JOIN projects p ON p.organization_id = tp.organization_id AND p.id = tp.project_id
  LEFT JOIN environments e ON e.organization_id = tp.organization_id AND e.id = tp.environment_id`;

/** The projects that token `t` is limited to; of a revoked one, those it was limited to when it ended. */
export const OF_TOKEN = `tp.organization_id = t.organization_id AND tp.token_id = t.id
  AND (p.deleted_at IS NULL OR p.deleted_at >= t.revoked_at) AND (e.deleted_at IS NULL OR e.deleted_at >= t.revoked_at)`;

/**
 * OFFSET 0 keeps the question one of each token, answered by the primary key of its links. Turned into a join, as the
 * planner would, it is quadratic while the statistics lag behind the first thousands of tokens.
 */
function linked(condition: string): string {
  return `EXISTS (SELECT FROM ${LINKS} WHERE ${OF_TOKEN} AND ${condition} OFFSET 0)`;
}

/** Of the tokens that ever had a link to this project: found by index, to be judged by `linked` then. */
function everLinked(project: string): string {
  return `EXISTS (SELECT FROM token_projects l WHERE l.organization_id = t.organization_id AND l.token_id = t.id AND l.project_id = ${project})`;
}

/** Own organization ($1); and for callers limited to projects ($2), only tokens that are limited to some of these. */
export const WITHIN_TENANT = `t.organization_id = $1
  AND ($2::uuid[] IS NULL OR (NOT t.all_projects AND NOT ${linked('tp.project_id <> ALL ($2::uuid[])')}))`;

/** SQL with its parameters, which are numbered from $3 on. */
export class Conditions {
  readonly parameters: unknown[] = [];
  private readonly parts: string[] = ['true'];

  add(condition: (...placeholders: string[]) => string, ...values: unknown[]): void {
    const placeholders = values.map((value) => `$${this.parameters.push(value) + 2}`);
    this.parts.push(condition(...placeholders));
  }

  get sql(): string {
    return this.parts.join(' AND ');
  }
}

export function toConditions(filter: TokenFilter, now: Instant): Conditions {
  const where = new Conditions();
  const { clientSecretId } = filter;
  const { kind, ownerId, userId, identityId, projectId, project, confinedTo, everywhereIn, environment, state, revoked, name, numbered, number } = filter;
  if (kind !== undefined) where.add((value) => `t.kind = ${value}`, kind);
  if (userId !== undefined) where.add((value) => `t.user_id = ${value}`, userId);
  if (identityId !== undefined) where.add((value) => `t.identity_id = ${value}`, identityId);
  if (clientSecretId === null) where.add(() => 't.client_secret_id IS NULL');
  else if (clientSecretId === 'any') where.add(() => 't.client_secret_id IS NOT NULL');
  else if (clientSecretId !== undefined) where.add((value) => `t.client_secret_id = ${value}`, clientSecretId);
  if (name !== undefined) where.add((value) => `t.name = ${value}`, name);
  if (environment !== undefined) where.add((value) => `t.environment = ${value}`, environment);
  if (ownerId !== undefined) {
    where.add((value) => `coalesce(t.user_id, t.project_id, t.identity_id, t.organization_id)::text = lower(${value})`, ownerId);
  }
  if (projectId !== undefined) where.add((value) => `${everLinked(value)} AND ${linked(`tp.project_id = ${value}`)}`, projectId);
  if (project !== undefined) where.add((value) => linked(`p.key = ${value}`), project);
  if (confinedTo) addConfinement(where, confinedTo);
  if (everywhereIn) where.add((values) => `t.all_projects AND t.environment = ANY (${values}::text[])`, everywhereIn);
  if (numbered) where.add(() => 't.number IS NOT NULL');
  if (number !== undefined) where.add((value) => `t.number = ${value}::bigint`, number);
  if (revoked !== undefined) where.add(() => (revoked ? 't.revoked_at IS NOT NULL' : 't.revoked_at IS NULL'));
  if (state === 'revoked') where.add(() => 't.revoked_at IS NOT NULL');
  if (state === 'expired') where.add((value) => `t.revoked_at IS NULL AND t.expires_at <= ${value}`, now);
  if (state === 'active') where.add((value) => `t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > ${value})`, now);
  return where;
}

function addConfinement(where: Conditions, { projectId, environmentId }: NonNullable<TokenFilter['confinedTo']>): void {
  const onlyLinked = (condition: string): string => `(${linked(condition)} AND NOT ${linked(`NOT (${condition})`)})`;
  if (environmentId === undefined) where.add((project) => `(t.project_id = ${project} OR ${onlyLinked(`tp.project_id = ${project}`)})`, projectId);
  else where.add((project, environment) => onlyLinked(`tp.project_id = ${project} AND tp.environment_id IS NOT DISTINCT FROM ${environment}`), projectId, environmentId);
}
