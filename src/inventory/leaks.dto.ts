import { ApiProperty } from '@nestjs/swagger';
import { isPlainText } from '../kernel/http/plain-text.js';
import { Satisfies, type Fault, type Rule } from '../kernel/http/rule.js';

export const LEAKS_MAX = 1000;
const SECRET_LENGTH_MAX = 512;
const URL_LENGTH_MAX = 2048;

/** What is wrong with one report; never with the value, which may be a secret. */
function faultOf(report: unknown): Omit<Fault, 'rule'> | null {
  if (typeof report !== 'object' || report === null) return { message: 'must be an object with token and, where known, url' };
  const { token, url = null } = report as { token?: unknown; url?: unknown };
  if (typeof token !== 'string' || token === '' || token.length > SECRET_LENGTH_MAX) return { at: ['token'], message: `must be a string of 1 to ${SECRET_LENGTH_MAX} characters` };
  const isUrl = url === null || (typeof url === 'string' && url.length <= URL_LENGTH_MAX && isPlainText(url) && URL.canParse(url));
  return isUrl ? null : { at: ['url'], message: `must be an absolute URL of at most ${URL_LENGTH_MAX} characters` };
}

const reports: Rule = (value) => {
  if (!Array.isArray(value) || value.length === 0 || value.length > LEAKS_MAX) return { rule: 'size', message: `must be a list of 1 to ${LEAKS_MAX}`, value: undefined };
  return value.flatMap((report, index) => {
    const fault = faultOf(report);
    return fault ? [{ rule: 'report', message: fault.message, at: [index, ...(fault.at ?? [])], value: undefined }] : [];
  });
};

export class LeakedToken {
  @ApiProperty({ example: 'api_…' }) token!: string;
  @ApiProperty({ type: String, required: false, nullable: true, example: 'https://github.com/acme/shop/blob/main/.env', description: 'Where it was found.' }) url?: string | null;
}

export class ReportLeak {
  @ApiProperty({ type: [LeakedToken], maxItems: LEAKS_MAX })
  @Satisfies(reports)
  tokens!: LeakedToken[];
}

export class LeakReceipt {
  @ApiProperty({ example: 1, description: 'As many as were sent; whether any of them is a token is not said.' }) received!: number;
}
