import { Module } from '@nestjs/common';
import { AccessModule } from '../access/access.module.js';
import { IntrospectionController } from './introspection.controller.js';
import { WellKnownController } from './well-known.controller.js';

@Module({ imports: [AccessModule], controllers: [IntrospectionController, WellKnownController] })
export class OAuth2Module {}
