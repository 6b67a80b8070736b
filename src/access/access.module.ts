import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { FailureWitness } from '../kernel/http/failure-witness.js';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccessTokens } from './access-tokens.js';
import { Authenticator } from './authenticator.js';
import { RefusalLog } from './refusal-log.js';
import { RefusalWitness } from './refusal-witness.js';
import { RefreshToken, Session } from './session.entity.js';
import { Sessions } from './sessions.js';
import { SigningKey } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.js';

@Module({
  imports: [TokensModule, TypeOrmModule.forFeature([Session, RefreshToken, SigningKey])],
  providers: [AccessTokens, Authenticator, RefusalLog, Sessions, SigningKeys, { provide: FailureWitness, useClass: RefusalWitness }],
  exports: [AccessTokens, Authenticator, FailureWitness, RefusalLog, Sessions, SigningKeys, TokensModule],
})
export class AccessModule {}
