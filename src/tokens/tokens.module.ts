import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { AuditModule } from '../audit/audit.module.js';
import { KeyRing } from '../kernel/key-ring.js';
import { ApiToken, TokenProject, TokenSecret } from './api-token.entity.js';
import { ApiTokenRepository } from './api-token.repository.js';
import { LastUse } from './last-use.js';
import { NumberedTokens } from './numbered-tokens.js';
import { TokenEngine } from './token-engine.js';
import { TokenRenewal } from './token-renewal.js';
import { SecretHasher } from './token-secret.js';
import { TokenVerifier } from './token-verifier.js';

@Module({
  imports: [AuditModule, TypeOrmModule.forFeature([ApiToken, TokenProject, TokenSecret])],
  providers: [
    ApiTokenRepository,
    LastUse,
    NumberedTokens,
    TokenEngine,
    TokenRenewal,
    TokenVerifier,
    { provide: SecretHasher, inject: [KeyRing], useFactory: (keys: KeyRing) => new SecretHasher(keys) },
  ],
  exports: [NumberedTokens, TokenEngine, TokenRenewal, TokenVerifier, SecretHasher, LastUse, AuditModule],
})
export class TokensModule {}
