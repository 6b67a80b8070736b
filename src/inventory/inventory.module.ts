import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { InventoryController } from './inventory.controller.js';
import { GithubAlerts } from './github-alerts.js';
import { GithubKeys, GithubKeysUrl } from './github-keys.js';
import { LeaksController } from './leaks.controller.js';
import { OwnTokenController } from './own-token.controller.js';
import { RotationController } from './rotation.controller.js';
import { TokenEndsController } from './token-ends.controller.js';

@Module({
  imports: [AccessModule],
  controllers: [LeaksController, RotationController, OwnTokenController, TokenEndsController, InventoryController],
  providers: [GithubAlerts, GithubKeys, { provide: GithubKeysUrl, useValue: new GithubKeysUrl() }],
})
export class InventoryModule {}
