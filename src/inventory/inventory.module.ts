import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { InventoryController } from './inventory.controller.js';

@Module({ imports: [AccessModule], controllers: [InventoryController] })
export class InventoryModule {}
