import { Readable } from 'node:stream';
import { Controller, Get, Query, StreamableFile } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { CurrentPrincipal, type Principal } from '../access/principal.js';
import { RequirePermission } from '../access/require-permission.js';
import { AuditTrail } from '../audit/audit-trail.js';
import { ApiProblems } from '../kernel/http/document.js';
import { limitOf } from '../kernel/http/page-query.js';
import { Instant } from '../kernel/instant.js';
import { requireCursor } from '../kernel/page.js';
import { AuditExports } from './audit-exports.service.js';
import { AuditEventPage, AuditEventQuery, AuditExportQuery, type ExportFormat } from './audit-trail.dto.js';
import { toEventPage } from './audit-trail.mapper.js';

const MEDIA_TYPES: Record<ExportFormat, string> = { ndjson: 'application/x-ndjson', csv: 'text/csv; charset=utf-8' };

@ApiTags('Audit')
@Controller('v1/audit-events')
export class AuditTrailController {
  constructor(
    private readonly trail: AuditTrail,
    private readonly exports: AuditExports,
  ) {}

  @Get()
  @RequirePermission('audit:read')
  @ApiOperation({ summary: 'What happened in the organization, newest first' })
  @ApiOkResponse({ description: 'A page of events.', type: AuditEventPage })
  @ApiProblems(400, 401, 403)
  async list(@CurrentPrincipal() { organizationId }: Principal, @Query() query: AuditEventQuery): Promise<AuditEventPage> {
    const limit = limitOf(query);
    const filter = {
      action: query.action,
      actorId: query.actor_id,
      targetKind: query.target_kind,
      targetId: query.target_id,
      from: toInstant(query.from),
      to: toInstant(query.to),
    };
    return toEventPage(await this.trail.list(organizationId, filter, { limit: limit + 1, after: requireCursor(query.cursor) }), limit);
  }

  @Get('export')
  @RequirePermission('audit:read')
  @ApiOperation({
    summary: 'Everything that happened, oldest first, as a file',
    description: 'NDJSON comes with the hashes, signatures and public keys that `npm run audit:verify` proves it with. The export is recorded itself.',
  })
  @ApiOkResponse({
    description: 'The events, streamed.',
    content: {
      'application/x-ndjson': { schema: { type: 'string' }, example: '{"type":"event","sequence":1,"hash":"…","event_id":"…","event":{…}}' },
      'text/csv': { schema: { type: 'string' }, example: '"sequence","hash","event_id","organization_id","occurred_at","action"' },
    },
  })
  @ApiProblems(400, 401, 403)
  async export(@CurrentPrincipal() principal: Principal, @Query() { format = 'ndjson' }: AuditExportQuery): Promise<StreamableFile> {
    const lines = await this.exports.begin(principal, format);
    const name = `audit-${principal.organization.slug}.${format}`;
    return new StreamableFile(Readable.from(lines), { type: MEDIA_TYPES[format], disposition: `attachment; filename*=UTF-8''${encodeURIComponent(name)}` });
  }
}

function toInstant(text: string | undefined): Instant | undefined {
  return text === undefined ? undefined : (Instant.parse(text) ?? undefined);
}
