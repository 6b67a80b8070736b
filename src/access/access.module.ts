import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { FailureWitness } from '../kernel/http/failure-witness.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccessTokens } from './access-tokens.js';
import { AccessGuard } from './access.guard.js';
import { Authenticator } from './authenticator.js';
import { ClientPrincipals } from './client-principals.js';
import { EndedSessions } from './ended-sessions.js';
import { RefusalLog } from './refusal-log.js';
import { RefusalWitness } from './refusal-witness.js';
import { RefreshToken, Session } from './session.entity.js';
import { SessionDirectory } from './session-directory.js';
import { SessionVerifier } from './session-verifier.js';
import { Sessions } from './sessions.js';
import { SigningKeyRotation } from './signing-key-rotation.js';
import { SigningKey } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.js';

@Module({
  imports: [TokensModule, TypeOrmModule.forFeature([Session, RefreshToken, SigningKey])],
  providers: [AccessGuard, AccessTokens, Authenticator, ClientPrincipals, EndedSessions, RefusalLog, SessionDirectory, Sessions, SessionVerifier, SigningKeyRotation, SigningKeys, { provide: FailureWitness, useClass: RefusalWitness }],
  exports: [AccessGuard, AccessTokens, Authenticator, ClientPrincipals, FailureWitness, RefusalLog, SessionDirectory, Sessions, SigningKeyRotation, SigningKeys, TokensModule],
})
export class AccessModule {}
