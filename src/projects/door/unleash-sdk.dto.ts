import { ApiProperty } from '@nestjs/swagger';
import { Satisfies } from '../../kernel/http/rule.js';
import { texts } from './unleash-rules.js';

export class UnleashValidate {
  @ApiProperty({ type: [String], example: ['default:development.…'], description: 'Whole secrets.' })
  @Satisfies(texts('tokens', { required: true }))
  tokens!: unknown;
}

export class UnleashValidToken {
  @ApiProperty({ example: 'default:development.…', description: 'As it was sent.' }) token!: string;
  @ApiProperty({ enum: ['client', 'backend', 'frontend'], example: 'backend' }) type!: string;
  @ApiProperty({ type: [String], example: ['default'] }) projects!: string[];
  @ApiProperty({ type: String, nullable: true, example: 'development' }) environment!: string | null;
}

export class UnleashValidTokens {
  @ApiProperty({ type: [UnleashValidToken] }) tokens!: UnleashValidToken[];
}

export class UnleashFeaturesQuery {
  @ApiProperty({ type: [String], required: false, example: ['default'], description: 'Absent where the token is of all projects.' }) project?: string[];
  @ApiProperty({ type: String, nullable: true, example: 'development' }) environment!: string | null;
  @ApiProperty({ example: true }) inlineSegmentConstraints!: true;
}

export class UnleashFeaturesMeta {
  @ApiProperty({ example: 0 }) revisionId!: number;
  @ApiProperty({ example: '"6ef7ec5a:0:v1"' }) etag!: string;
  @ApiProperty({ example: '6ef7ec5a' }) queryHash!: string;
}

export class UnleashFeatures {
  @ApiProperty({ example: 2 }) version!: number;
  @ApiProperty({ type: 'array', items: { type: 'object' }, maxItems: 0, example: [], description: 'Always empty: tokens are kept here, not feature flags.' }) features!: [];
  @ApiProperty({ type: UnleashFeaturesQuery }) query!: UnleashFeaturesQuery;
  @ApiProperty({ type: UnleashFeaturesMeta }) meta!: UnleashFeaturesMeta;
}

export class UnleashToggles {
  @ApiProperty({ type: 'array', items: { type: 'object' }, maxItems: 0, example: [], description: 'Always empty: tokens are kept here, not feature flags.' }) toggles!: [];
}
