import type { Instant } from '../kernel/instant.js';
import { patternsCovering } from './permission-pattern.js';
import { BUILT_IN_ROLES, patternsOfRole } from './permissions.js';
import { SORT_KEYS, type TokenPlace, type TokenSort } from './token-sort.js';
import type { TokenKind, TokenState } from './token.js';

/** From the one on and before the other. */
export interface Range {
  readonly from?: Instant;
  readonly before?: Instant;
}

/** How long before its end a token counts as expiring. */
export const EXPIRING_DAYS = 30;

/** Which tokens are meant: those of which all that is named here is true. */
export interface TokenFilter {
  readonly ids?: readonly string[];
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
  /** `expiring` tokens are active ones that expire within 30 days, `unused` ones are active and were never used; `exposed` ones are live, be they blocked, and a leaked secret opens them. */
  readonly state?: TokenState | 'expiring' | 'unused' | 'exposed';
  /** Neither revoked nor expired, be it blocked. */
  readonly live?: true;
  /** False: whatever is not revoked, be it expired. */
  readonly revoked?: boolean;
  readonly name?: string;
  readonly numbered?: true;
  readonly number?: number;
  readonly createdBy?: string;
  /** What it may carry: in its own list and its role; where it has neither, what the role of its owner allows. */
  readonly permission?: string;
  readonly created?: Range;
  readonly expires?: Range;
  readonly lastUsed?: Range;
  /** Neither used nor minted since. */
  readonly unusedSince?: Instant;
  /** A part of its name or description, in any case. */
  readonly text?: string;
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

/** Why policies block token `t` of the organization $1 at that moment: NULL where they do not. Those that bind all its tokens are read once. */
export function blockReasonAt(moment: string): string {
  const policies = 'CASE WHEN t.sub_organization_id IS NULL THEN (SELECT binding_policies($1, NULL)) ELSE binding_policies($1, t.sub_organization_id) END';
  return `token_block_reason(t.organization_id, t.id, ${policies}, ${moment}::timestamptz)`;
}

/** Whether a secret that has leaked opens token `t` at that moment. */
export function exposedAt(moment: string): string {
  return `(t.revoked_at IS NULL AND ${SORT_KEYS.expiresAt.sql} > ${moment}::timestamptz AND EXISTS (
    SELECT FROM token_secrets x WHERE x.organization_id = t.organization_id AND x.token_id = t.id AND x.exposed_at IS NOT NULL
      AND (x.expires_at IS NULL OR x.expires_at > ${moment}::timestamptz)))`;
}

/** SQL with its parameters, which are numbered from $3 on. */
export class Conditions {
  readonly parameters: unknown[] = [];
  private readonly parts: string[] = ['true'];

  add(condition: (...placeholders: string[]) => string, ...values: unknown[]): void {
    this.parts.push(condition(...values.map((value) => this.bind(value))));
  }

  /** The placeholder of a value that another part of the statement uses. */
  bind(value: unknown): string {
    return `$${this.parameters.push(value) + 2}`;
  }

  get sql(): string {
    return this.parts.join(' AND ');
  }
}

export function toConditions(filter: TokenFilter, now: Instant): Conditions {
  const where = new Conditions();
  const { ids, clientSecretId } = filter;
  if (ids !== undefined) where.add((values) => `t.id = ANY (${values}::uuid[])`, ids);
  const { kind, ownerId, userId, identityId, projectId, project, confinedTo, everywhereIn, environment, state, live, revoked, name, numbered, number } = filter;
  if (kind !== undefined) where.add((value) => `t.kind = ${value}`, kind);
  if (userId !== undefined) where.add((value) => `t.user_id = ${value}`, userId);
  if (identityId !== undefined) where.add((value) => `t.identity_id = ${value}`, identityId);
  if (clientSecretId === null) where.add(() => 't.client_secret_id IS NULL');
  else if (clientSecretId === 'any') where.add(() => 't.client_secret_id IS NOT NULL');
  else if (clientSecretId !== undefined) where.add((value) => `t.client_secret_id = ${value}`, clientSecretId);
  if (name !== undefined) where.add((value) => `t.name = ${value}`, name);
  if (environment !== undefined) where.add((value) => `t.environment = ${value}`, environment);
  if (ownerId !== undefined) addOwner(where, ownerId);
  if (projectId !== undefined) where.add((value) => `${everLinked(value)} AND ${linked(`tp.project_id = ${value}`)}`, projectId);
  if (project !== undefined) {
    const named = (key: string): string => `ANY (ARRAY(SELECT p.id FROM projects p WHERE p.organization_id = $1 AND p.key = ${key}))`;
    where.add((value) => `EXISTS (SELECT FROM token_projects l WHERE l.organization_id = t.organization_id AND l.token_id = t.id AND l.project_id = ${named(value)}) AND ${linked(`p.key = ${value}`)}`, project);
  }
  if (confinedTo) addConfinement(where, confinedTo);
  if (everywhereIn) where.add((values) => `t.all_projects AND t.environment = ANY (${values}::text[])`, everywhereIn);
  if (numbered) where.add(() => 't.number IS NOT NULL');
  if (number !== undefined) where.add((value) => `t.number = ${value}::bigint`, number);
  if (revoked !== undefined) where.add(() => (revoked ? 't.revoked_at IS NOT NULL' : 't.revoked_at IS NULL'));
  if (live) addLive(where, now);
  if (state !== undefined) addState(where, state, now);
  addInventoryConditions(where, filter);
  return where;
}

/** What comes behind this place in a list sorted so. */
export function addPlace(where: Conditions, { key, descending }: TokenSort, place: TokenPlace): void {
  const { sql, type } = SORT_KEYS[key];
  where.add((value, id) => `(${sql}, t.id) ${descending ? '<' : '>'} (${value}::${type}, ${id}::uuid)`, place.key, place.id);
}

function addConfinement(where: Conditions, { projectId, environmentId }: NonNullable<TokenFilter['confinedTo']>): void {
  const onlyLinked = (condition: string): string => `(${linked(condition)} AND NOT ${linked(`NOT (${condition})`)})`;
  if (environmentId === undefined) where.add((project) => `(t.project_id = ${project} OR ${onlyLinked(`tp.project_id = ${project}`)})`, projectId);
  else where.add((project, environment) => onlyLinked(`tp.project_id = ${project} AND tp.environment_id IS NOT DISTINCT FROM ${environment}`), projectId, environmentId);
}

function addState(where: Conditions, state: NonNullable<TokenFilter['state']>, now: Instant): void {
  if (state === 'revoked') return where.add(() => 't.revoked_at IS NOT NULL');
  const { sql: expiry } = SORT_KEYS.expiresAt;
  if (state === 'expired') return where.add((value) => `t.revoked_at IS NULL AND ${expiry} <= ${value}::timestamptz`, now);
  if (state === 'exposed') return where.add(exposedAt, now);
  addLive(where, now);
  where.add((value) => `${blockReasonAt(value)} IS ${state === 'blocked' ? 'NOT NULL' : 'NULL'}`, now);
  if (state === 'expiring') where.add((value) => `${expiry} <= ${value}::timestamptz`, now.plusSeconds(EXPIRING_DAYS * 86_400));
  if (state === 'unused') where.add(() => 't.last_used_at IS NULL');
}

function addLive(where: Conditions, now: Instant): void {
  where.add((value) => `t.revoked_at IS NULL AND ${SORT_KEYS.expiresAt.sql} > ${value}::timestamptz`, now);
}

function addInventoryConditions(where: Conditions, { createdBy, permission, created = {}, expires = {}, lastUsed = {}, unusedSince, text }: TokenFilter): void {
  const { createdAt, expiresAt, lastUsedAt } = SORT_KEYS;
  if (createdBy !== undefined) where.add((value) => `t.created_by = ${value}::uuid`, createdBy);
  if (permission !== undefined) addPermission(where, permission);
  addRange(where, createdAt.sql, created);
  addRange(where, expiresAt.sql, expires);
  addRange(where, lastUsedAt.sql, lastUsed);
  // What never happens is in no range, though it is sorted before or after all others.
  if (expires.from) where.add(() => 't.expires_at IS NOT NULL');
  if (lastUsed.before) where.add(() => 't.last_used_at IS NOT NULL');
  if (unusedSince) where.add((value) => `${lastUsedAt.sql} < ${value}::timestamptz AND t.created_at < ${value}::timestamptz`, unusedSince);
  if (text !== undefined) where.add(() => containing(where, text));
}

function addRange(where: Conditions, expression: string, { from, before }: Range): void {
  if (from) where.add((value) => `${expression} >= ${value}::timestamptz`, from);
  if (before) where.add((value) => `${expression} < ${value}::timestamptz`, before);
}

/** True of tokens with this in their name or description, whatever its case. */
export function containing(where: Conditions, text: string): string {
  const pattern = where.bind(`%${text.replace(/[\\%_]/g, '\\$&')}%`);
  return `(t.name ILIKE ${pattern} OR t.description ILIKE ${pattern})`;
}

function addOwner(where: Conditions, ownerId: string): void {
  where.add(
    (id) => `(t.user_id = ${id}::uuid OR t.project_id = ${id}::uuid OR t.identity_id = ${id}::uuid
      OR (t.organization_id = ${id}::uuid AND num_nonnulls(t.user_id, t.project_id, t.identity_id) = 0))`,
    ownerId,
  );
}

function addPermission(where: Conditions, permission: string): void {
  const patterns = patternsCovering(permission);
  const builtIn = BUILT_IN_ROLES.filter((key) => patternsOfRole({ key, permissions: [] }, true).some((pattern) => patterns.includes(pattern)));
  const [list, keys] = [`${where.bind(patterns)}::text[]`, `${where.bind(builtIn)}::text[]`];
  const roles = `ARRAY(SELECT r.id FROM roles r WHERE r.organization_id = $1 AND r.deleted_at IS NULL AND (r.key = ANY (${keys}) OR r.permissions && ${list}))`;
  where.add(() => `(t.permissions IS NULL OR t.permissions && ${list}) AND (t.role_id IS NULL OR t.role_id = ANY (${roles}))
    AND (t.permissions IS NOT NULL OR t.role_id IS NOT NULL
      OR EXISTS (SELECT FROM memberships m WHERE m.organization_id = t.organization_id AND m.user_id = t.user_id AND m.removed_at IS NULL AND m.role_id = ANY (${roles}))
      OR EXISTS (SELECT FROM machine_identities i WHERE i.organization_id = t.organization_id AND i.id = t.identity_id AND i.role_id = ANY (${roles})))`);
}
