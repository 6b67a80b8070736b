import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { KeptAnswer } from './kept-answer.entity.js';
import { KeptAnswers } from './kept-answers.js';
import { Retries } from './retries.js';

@Module({ imports: [TypeOrmModule.forFeature([KeptAnswer])], providers: [KeptAnswers, Retries], exports: [Retries] })
export class IdempotencyModule {}
