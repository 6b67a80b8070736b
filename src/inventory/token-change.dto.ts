import { ApiProperty } from '@nestjs/swagger';
import { isPlainText, plainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Fault, type Rule } from '../kernel/http/rule.js';
import { parseAddressEntry } from '../tokens/address-list.js';
import { EVERYTHING, isPermissionPattern } from '../tokens/permission-pattern.js';
import type { TokenMetadata } from '../tokens/token.js';
import { time } from './token-filter.dto.js';

const ENTRIES_MAX = 100;
const METADATA_KEYS_MAX = 20;
const METADATA_BYTES_MAX = 4_096;
const METADATA_KEY = /^[A-Za-z][A-Za-z0-9_.-]{0,39}$/;

export const orNull = (rule: Rule): Rule => (value, body) => (value === null ? null : rule(value, body));

/** A list of so many texts, each of which is judged. */
export function listOf(min: number, fault: (text: string) => string | null): Rule {
  return (value) => {
    if (value === undefined) return null;
    if (!Array.isArray(value)) return { rule: 'isArray', message: 'must be a list' };
    if (value.length < min || value.length > ENTRIES_MAX) return { rule: 'size', message: `must have ${min} to ${ENTRIES_MAX} entries` };
    return value.flatMap((entry: unknown, index): Fault[] => {
      const message = typeof entry === 'string' ? fault(entry) : 'must be a string';
      return message === null ? [] : [{ rule: 'entry', message, at: [index] }];
    });
  };
}

export const permissions = listOf(0, (text) => (text === EVERYTHING || isPermissionPattern(text) ? null : 'must be a permission such as invoice:read, or a pattern such as invoice:*'));
export const addresses = listOf(1, (text) => (parseAddressEntry(text) ? null : 'must be an IP address or a CIDR range'));

export const metadata: Rule = (value) => {
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return { rule: 'isObject', message: 'must be an object' };
  const entries = Object.entries(value);
  if (entries.length > METADATA_KEYS_MAX) return { rule: 'size', message: `must have no more than ${METADATA_KEYS_MAX} members` };
  if (Buffer.byteLength(JSON.stringify(value)) > METADATA_BYTES_MAX) return { rule: 'size', message: `must be no longer than ${METADATA_BYTES_MAX} bytes` };
  return entries.flatMap(([key, each]): Fault[] => {
    if (!METADATA_KEY.test(key)) return [{ rule: 'key', message: 'must have names of 1 to 40 of A-Z, a-z, 0-9, _, . and -, each beginning with a letter' }];
    if (typeof each === 'string' && !isPlainText(each)) return [{ rule: 'plainText', message: 'must not contain control or invisible characters', at: [key] }];
    return each === null || ['string', 'number', 'boolean'].includes(typeof each) ? [] : [{ rule: 'scalar', message: 'must be a string, a number, true, false or null', at: [key] }];
  });
};

const interval: Rule = (value) =>
  value === undefined || (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 3_650) ? null : { rule: 'interval', message: 'must be a whole number of days from 1 to 3650' };

/** What is left out stays. */
export class ChangeToken {
  @ApiProperty({ required: false, example: 'deploy', maxLength: 255 })
  @Satisfies(plainText({ min: 1, max: 255, optional: true }))
  name?: string;

  @ApiProperty({ required: false, type: String, nullable: true, maxLength: 1000 })
  @Satisfies(orNull(plainText({ min: 0, max: 1_000, optional: true })))
  description?: string | null;

  @ApiProperty({
    selfRequired: false,
    type: 'object',
    additionalProperties: true,
    example: { team: 'payments' },
    description: `Replaces what was there: up to ${METADATA_KEYS_MAX} members, each a string, a number, true, false or null; ${METADATA_BYTES_MAX} bytes in all.`,
  })
  @Satisfies(metadata)
  metadata?: TokenMetadata;

  @ApiProperty({ required: false, type: [String], example: ['project:read'], description: 'Its own list from now on: nothing beyond what it has.' })
  @Satisfies(permissions)
  permissions?: string[];

  @ApiProperty({ required: false, type: String, nullable: true, format: 'date-time', description: 'An earlier end, in the future.' })
  @Satisfies(orNull(time))
  expires_at?: string | null;

  @ApiProperty({ required: false, type: [String], nullable: true, example: ['10.0.0.0/8'], description: 'Addresses and CIDR ranges it can be used from, beside what its owner is bound to; null: from anywhere that those allow. Not for the token itself.' })
  @Satisfies(orNull(addresses))
  allowed_addresses?: string[] | null;

  @ApiProperty({ required: false, type: 'integer', nullable: true, minimum: 1, maximum: 3650, example: 90, description: 'Remind of its rotation in this interval; null: not at all.' })
  @Satisfies(orNull(interval))
  rotation_interval_days?: number | null;
}
