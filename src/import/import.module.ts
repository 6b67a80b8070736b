import { Module } from '@nestjs/common';
import { MachineIdentitiesModule } from '../machine-identities/machine-identities.module.js';
import { ImportController } from './import.controller.js';
import { ImportService } from './import.service.js';

@Module({
  imports: [MachineIdentitiesModule],
  controllers: [ImportController],
  providers: [ImportService],
})
export class ImportModule {}
