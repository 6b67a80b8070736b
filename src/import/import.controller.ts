import { Body, Controller, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { ApiProblems } from '../kernel/http/document.js';
import { Limits } from '../kernel/http/route-limits.js';
import { BODY_BYTES_MAX, ImportOutcomes, ImportTokens } from './import.dto.js';
import { toOutcomes } from './import.mapper.js';
import { ImportService } from './import.service.js';

@ApiTags('Tokens')
@Controller('v1/tokens')
export class ImportController {
  constructor(private readonly imports: ImportService) {}

  @Post('import')
  @HttpCode(200)
  @RequirePermission('token:write')
  @Limits({ bodyBytes: BODY_BYTES_MAX })
  @ApiOperation({
    summary: 'Bring along tokens that were issued elsewhere',
    description: `Up to 1,000 at once, by SHA-256 hash or by secret; they go on working with the secrets they have. Each row stands or
falls by itself, and says so in the answer; the rows that stand are committed together. Without an answer, or with 503, they may be
there or not: make the same call again, nothing is imported twice. A row needs the permission to mint tokens of its kind and gives nothing that you do not
hold yourself. Imported with a token, they end with that token.`,
  })
  @ApiOkResponse({ description: 'What became of each row, in their order.', type: ImportOutcomes })
  @ApiProblems(400, 401, 403, 413, 415)
  async import(@CurrentPrincipal() principal: Principal, @Body() { tokens, dry_run: dryRun = false }: ImportTokens): Promise<ImportOutcomes> {
    return toOutcomes(await this.imports.import(principal, tokens, dryRun), dryRun);
  }
}
