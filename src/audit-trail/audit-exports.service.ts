import { Injectable } from '@nestjs/common';
import type { Principal } from '../access/principal.js';
import { SigningKeys } from '../access/signing-keys.js';
import { canonicalJson, type EndStatement } from '../audit/audit-chain.js';
import { AuditLog } from '../audit/audit-log.js';
import { AuditSealer } from '../audit/audit-sealer.js';
import { AuditTrail, type Stretch } from '../audit/audit-trail.js';
import { EXPORT_FORMAT, writeLine } from '../audit/export-lines.js';
import { Clock } from '../kernel/clock.js';
import { Database } from '../kernel/database/database.js';
import { toCsv } from './audit-csv.js';
import type { ExportFormat } from './audit-trail.dto.js';
import { toCheckpointLine, toEventLine } from './audit-trail.mapper.js';

const BATCH = 500;

/** Hands out an organization's whole record, oldest first, a batch at a time. Every export is recorded itself, as its last event. */
@Injectable()
export class AuditExports {
  constructor(
    private readonly database: Database,
    private readonly audit: AuditLog,
    private readonly sealer: AuditSealer,
    private readonly trail: AuditTrail,
    private readonly keys: SigningKeys,
    private readonly clock: Clock,
  ) {}

  async begin({ organizationId, actor }: Principal, format: ExportFormat): Promise<AsyncIterable<string>> {
    await this.database.inOrganization(organizationId, (tenant) =>
      this.audit.append(tenant, actor, { action: 'audit.exported', target: { kind: 'organization', id: organizationId }, details: { format } }));
    await this.sealer.seal(organizationId);
    const upTo = await this.trail.lastSequence(organizationId);
    return format === 'csv' ? this.csv(organizationId, upTo) : this.ndjson(organizationId, upTo);
  }

  private async *csv(organizationId: string, upTo: number): AsyncGenerator<string> {
    let header = true;
    for await (const { links } of this.stretches(organizationId, upTo)) {
      yield toCsv(links, { header });
      header = false;
    }
  }

  private async *ndjson(organizationId: string, upTo: number): AsyncGenerator<string> {
    const exportedAt = this.clock.now().toRfc3339(6);
    const keyIds = new Set([...(await this.trail.signingKeyIds(organizationId)), this.keys.current.id]);
    const keys = await this.keys.provenJwks([...keyIds]);
    yield writeLine({ type: 'export', format: EXPORT_FORMAT, organization_id: organizationId, exported_at: exportedAt, keys });
    const end = { events: 0, checkpoints: 0, hash: '' };
    for await (const stretch of this.stretches(organizationId, upTo)) {
      yield toLines(stretch);
      end.events += stretch.links.length;
      end.checkpoints += stretch.checkpoints.length;
      end.hash = stretch.links.at(-1)?.hash ?? end.hash;
    }
    const statement: EndStatement = { type: 'end', organization_id: organizationId, exported_at: exportedAt, ...end };
    const { keyId, signature } = this.keys.sign(canonicalJson(statement));
    yield writeLine({ ...statement, key_id: keyId, signature: signature.toString('base64url') });
  }

  private async *stretches(organizationId: string, upTo: number): AsyncGenerator<Stretch> {
    let after = 0;
    for (;;) {
      const stretch = await this.trail.stretch(organizationId, { after, upTo, limit: BATCH });
      yield stretch;
      const last = stretch.links.at(-1);
      if (!last || stretch.links.length < BATCH) return;
      after = last.sequence;
    }
  }
}

/** Each checkpoint stands behind the last link it covers. */
function toLines({ links, checkpoints }: Stretch): string {
  const lines = [
    ...links.map((link) => ({ sequence: link.sequence, text: writeLine(toEventLine(link)) })),
    ...checkpoints.map((checkpoint) => ({ sequence: checkpoint.statement.sequence, text: writeLine(toCheckpointLine(checkpoint)) })),
  ];
  // Stable: of a link and a checkpoint with one number, the link comes first.
  return lines.sort((left, right) => left.sequence - right.sequence).map(({ text }) => text).join('');
}
