import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { TokensModule } from '../tokens/tokens.module.js';
import { AccessTokens } from './access-tokens.js';
import { Authenticator } from './authenticator.js';
import { RefreshToken, Session } from './session.entity.js';
import { Sessions } from './sessions.js';
import { SigningKey } from './signing-key.entity.js';
import { SigningKeys } from './signing-keys.js';

@Module({
  imports: [TokensModule, TypeOrmModule.forFeature([Session, RefreshToken, SigningKey])],
  providers: [AccessTokens, Authenticator, Sessions, SigningKeys],
  exports: [AccessTokens, Authenticator, Sessions, SigningKeys, TokensModule],
})
export class AccessModule {}
