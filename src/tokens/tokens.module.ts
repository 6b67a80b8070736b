import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { KeyRing } from '../kernel/key-ring.js';
import { ApiToken, TokenProject, TokenSecret } from './api-token.entity.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { BulkRevocation } from './bulk-revocation.js';
import { EndedTokens } from './ended-tokens.js';
import { FactsCache } from './facts-cache.js';
import { FactsReader } from './facts-reader.js';
import { IdleTokens } from './idle-tokens.js';
import { ImportedSecrets } from './imported-secrets.js';
import { LastUse } from './last-use.js';
import { NumberedTokens } from './numbered-tokens.js';
import { PolicyReviews } from './policy-reviews.js';
import { SecretSuccession } from './secret-succession.js';
import { TokenEndRepository } from './token-end.repository.js';
import { TokenEnds } from './token-ends.js';
import { TokenEngine } from './token-engine.js';
import { TokenExposure } from './token-exposure.js';
import { TokenImport } from './token-import.js';
import { TokenMintRepository } from './token-mint.repository.js';
import { TokenMinter } from './token-minter.js';
import { TokenPolicies } from './token-policies.js';
import { TokenInventory } from './token-inventory.js';
import { TokenNarrowing } from './token-narrowing.js';
import { TokenRenewal } from './token-renewal.js';
import { TokenRestoration } from './token-restoration.js';
import { TokenRotation } from './token-rotation.js';
import { SecretHasher } from './token-secret.js';
import { TokenSecretsRepository } from './token-secrets.repository.js';
import { TokenVerifier } from './token-verifier.js';
import { UnknownSecrets } from './unknown-secrets.js';

@Module({
  imports: [AuditModule, TypeOrmModule.forFeature([ApiToken, TokenProject, TokenSecret])],
  providers: [
    ApiTokenRepository,
    BulkRevocation,
    EndedTokens,
    FactsCache,
    FactsReader,
    IdleTokens,
    ImportedSecrets,
    LastUse,
    NumberedTokens,
    PolicyReviews,
    SecretSuccession,
    TokenEndRepository,
    TokenEnds,
    TokenEngine,
    TokenInventory,
    TokenNarrowing,
    TokenExposure,
    TokenImport,
    TokenMintRepository,
    TokenMinter,
    TokenPolicies,
    TokenRenewal,
    TokenRestoration,
    TokenRotation,
    TokenSecretsRepository,
    TokenVerifier,
    UnknownSecrets,
    { provide: SecretHasher, inject: [KeyRing], useFactory: (keys: KeyRing) => new SecretHasher(keys) },
  ],
  exports: [
    AuditModule,
    BulkRevocation,
    IdleTokens,
    LastUse,
    NumberedTokens,
    SecretHasher,
    TokenEnds,
    TokenEngine,
    TokenExposure,
    TokenImport,
    TokenInventory,
    TokenNarrowing,
    TokenPolicies,
    TokenRenewal,
    TokenRestoration,
    TokenRotation,
    TokenVerifier,
    UnknownSecrets,
  ],
})
export class TokensModule {}
