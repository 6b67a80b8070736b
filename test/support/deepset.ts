import type { TestTenant } from './builders.js';
import { call, type Answer } from './call.js';

export const TOKENS = '/api/v1/token';
export const UNKNOWN_ID = '00000000-0000-4000-8000-000000000000';

/** How the deepset door says no, but for what FastAPI itself says. */
export const refusal = (message: string): object => ({ errors: [message], detail: message });

export const createKey = (as: string, body: unknown): Promise<Answer> => call('POST', TOKENS, { as, body });

export async function mintKey(as: string, body: unknown): Promise<{ secret: string; id: string }> {
  const { status, body: result, text } = await createKey(as, body);
  if (status !== 200) throw new Error(`creating answered ${status}: ${text}`);
  return { secret: result.api_token, id: result.api_token_id };
}

/** The key as the list shows it to an administrator. */
export async function listedKey(tenant: TestTenant, id: string): Promise<any> {
  const { body } = await call('GET', `${TOKENS}?limit=100`, { as: tenant.admin.session });
  return body.data.find((each: { api_token_id: string }) => each.api_token_id === id);
}
