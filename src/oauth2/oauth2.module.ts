import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { MachineIdentitiesModule } from '../machine-identities/machine-identities.module.js';
import { BatchIntrospectionController } from './batch-introspection.controller.js';
import { ForwardAuthController } from './forward-auth.controller.js';
import { IntrospectionController } from './introspection.controller.js';
import { SigningKeysController } from './signing-keys.controller.js';
import { TokenExchange } from './token-exchange.service.js';
import { TokenController } from './token.controller.js';
import { WellKnownController } from './well-known.controller.js';

@Module({
  imports: [AccessModule, MachineIdentitiesModule],
  controllers: [IntrospectionController, BatchIntrospectionController, ForwardAuthController, SigningKeysController, TokenController, WellKnownController],
  providers: [TokenExchange],
})
export class OAuth2Module {}
