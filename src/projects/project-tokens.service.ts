import { Injectable } from '@nestjs/common';
import { onceKnown, oneByOne } from '../kernel/at-once.js';
import { Conflict } from '../kernel/failure.js';
import type { Instant } from '../kernel/instant.js';
import { LastSeen } from '../kernel/last-seen.js';
import type { Cursor } from '../kernel/page.js';
import type { Permission } from '../tokens/permissions.js';
import { TokenEngine } from '../tokens/token-engine.js';
import type { TokenFilter } from '../tokens/token-filter.js';
import { TokenVerifier, type UseContext } from '../tokens/token-verifier.js';
import { TokenNotFound } from '../tokens/token.errors.js';
import type { Caller, MintedToken, ProjectRef, Token } from '../tokens/token.js';
import type { VerifiedToken } from '../tokens/verdict.js';
import { ProjectsService } from './projects.service.js';

const PAGE = 1_000;
/** Expired ones are still there to be seen and prolonged. */
const PRESENT: TokenFilter = { kind: 'project', revoked: false };

export interface NewProjectToken {
  readonly name: string;
  readonly projects: readonly ProjectRef[] | 'all';
  /** Key of an environment that each of the projects has. */
  readonly environment: string;
  readonly permissions: readonly Permission[];
  readonly secretPrefix: string;
  readonly expiresAt: Instant | null;
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A token by its id, or by its secret. */
export type TokenReference = { readonly id: string } | { readonly secret: string };

/** The token is also of other projects, or not of this one. */
export class TokenOfOtherProjects extends Conflict {
  constructor() {
    super('token', 'other-projects', 'The token is not of this project alone.');
  }
}

/** Tokens of a project, of several, or of all, each in one environment. They have no person and outlive their creator. */
@Injectable()
export class ProjectTokens {
  private readonly projectsSeen = new LastSeen<ProjectRef>();

  constructor(
    private readonly projects: ProjectsService,
    private readonly engine: TokenEngine,
    private readonly verifier: TokenVerifier,
  ) {}

  /** Owned by its one project, or by the organization where it is of several or all. Throws `NotFound` where the environment is missing. */
  mint(caller: Caller, token: NewProjectToken): Promise<MintedToken> {
    const [only, ...others] = token.projects === 'all' ? [] : token.projects;
    const owner = only && others.length === 0 ? { projectId: only.id } : ({ organization: true } as const);
    return this.engine.mint(caller, { kind: 'project', owner, ...token });
  }

  /** The same for the project of this key. Throws `NotFound` where the caller has none such. */
  mintFor(caller: Caller, key: string, toToken: (project: ProjectRef) => NewProjectToken): Promise<MintedToken> {
    const whose = `${caller.organizationId} ${caller.projects === 'all' ? 'all' : (caller.tokenId ?? '')} ${key}`;
    return this.projectsSeen.use(whose, () => this.projects.getByKey(caller, key), (project) => this.mint(caller, toToken(project)));
  }

  /** All of them, those that have expired too, oldest first: of this project, or of this name, or every one. */
  async list(caller: Caller, { projectId, name }: { projectId?: string; name?: string } = {}): Promise<Token[]> {
    const tokens: Token[] = [];
    let after: Cursor | null = null;
    for (;;) {
      const page: Token[] = await this.engine.list(caller, { ...PRESENT, projectId, name }, { order: 'oldest-first', limit: PAGE, after });
      tokens.push(...page);
      const last = page.at(-1);
      if (!last || page.length < PAGE) return tokens;
      after = { at: last.createdAt, id: last.id };
    }
  }

  /** Throws `TokenNotFound` for whatever the caller has no such token. */
  async changeExpiry(caller: Caller, reference: TokenReference, expiresAt: Instant): Promise<void> {
    const { id } = await this.find(caller, reference);
    await this.engine.update(caller, id, { expiresAt }, PRESENT);
  }

  /** Throws `TokenNotFound` for whatever the caller has no such token. */
  async revoke(caller: Caller, reference: TokenReference): Promise<void> {
    const { id } = await this.find(caller, reference);
    await this.engine.revoke(caller, id, { within: PRESENT });
  }

  /** Ends only a token of just this project; throws `TokenOfOtherProjects` for another. */
  async revokeOf(caller: Caller, project: ProjectRef, reference: TokenReference): Promise<void> {
    const { id, projects } = await this.find(caller, reference);
    if (projects.length !== 1 || projects[0] !== project.key) throw new TokenOfOtherProjects();
    await this.engine.revoke(caller, id, { within: PRESENT });
  }

  /** Those of the secrets that are live tokens of projects, by secret. Nothing is counted as a use. */
  inspect(secrets: readonly string[], address: string): ReadonlyMap<string, VerifiedToken> | Promise<ReadonlyMap<string, VerifiedToken>> {
    const asked = [...new Set(secrets)];
    const from: UseContext = { ip: null, userAgent: null, asker: { address } };
    // Anyone may ask for many: they take turns at the database.
    return onceKnown(oneByOne(asked, (secret) => this.verifier.inspect(secret, from)), (verdicts) => {
      const live = new Map<string, VerifiedToken>();
      for (const [index, verdict] of verdicts.entries()) {
        if (verdict.active && verdict.token.kind === 'project') live.set(asked[index] ?? '', verdict.token);
      }
      return live;
    });
  }

  private async find(caller: Caller, reference: TokenReference): Promise<Token> {
    if ('id' in reference) return this.engine.find(caller, reference.id, PRESENT);
    const located = await this.verifier.locate(reference.secret);
    if (located?.organizationId !== caller.organizationId) throw new TokenNotFound('');
    return this.engine.find(caller, located.tokenId, PRESENT);
  }
}
