import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { OrganizationsModule } from '../organizations/organizations.module.js';
import { AdmissionsService } from './admissions.service.js';
import { ClientAssertions } from './client-assertions.js';
import { ClientKeysController } from './client-keys.controller.js';
import { ClientKeysService } from './client-keys.service.js';
import { ClientLockouts } from './client-lockouts.js';
import { ClientLoginService } from './client-login.service.js';
import { ClientSecretsService } from './client-secrets.service.js';
import { InfisicalAccessTokensController } from './door/infisical-access-tokens.controller.js';
import { InfisicalIdentitiesController } from './door/infisical-identities.controller.js';
import { InfisicalTokenAuthController } from './door/infisical-token-auth.controller.js';
import { InfisicalUniversalAuthController } from './door/infisical-universal-auth.controller.js';
import { IdentityQueries } from './identity-queries.js';
import { IdentityTokensService } from './identity-tokens.service.js';
import { ClientKey, ClientLockout, ClientSecret, TokenAuthSettings, UniversalAuthSettings } from './login-settings.entity.js';
import { MachineIdentitiesController } from './machine-identities.controller.js';
import { MachineIdentitiesService } from './machine-identities.service.js';
import { IdentityAdmission, MachineIdentity, MachineIdentityMetadata } from './machine-identity.entity.js';
import { TokenAuthService } from './token-auth.service.js';
import { UniversalAuthService } from './universal-auth.service.js';

const ENTITIES = [MachineIdentity, MachineIdentityMetadata, IdentityAdmission, TokenAuthSettings, UniversalAuthSettings, ClientSecret, ClientKey, ClientLockout];

@Module({
  imports: [OrganizationsModule, TypeOrmModule.forFeature(ENTITIES)],
  controllers: [
    MachineIdentitiesController,
    ClientKeysController,
    InfisicalIdentitiesController,
    InfisicalTokenAuthController,
    InfisicalUniversalAuthController,
    InfisicalAccessTokensController,
  ],
  providers: [
    AdmissionsService,
    ClientAssertions,
    ClientKeysService,
    ClientLockouts,
    ClientLoginService,
    ClientSecretsService,
    IdentityQueries,
    IdentityTokensService,
    MachineIdentitiesService,
    TokenAuthService,
    UniversalAuthService,
  ],
  exports: [AdmissionsService, ClientLoginService, IdentityTokensService, MachineIdentitiesService, OrganizationsModule],
})
export class MachineIdentitiesModule {}
