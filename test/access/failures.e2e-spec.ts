import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { RefusalLog } from '../../src/access/refusal-log.js';
import { RefusalWitness } from '../../src/access/refusal-witness.js';
import { FailureWitness } from '../../src/kernel/http/failure-witness.js';
import { PROBLEM_REPLIES } from '../../src/kernel/http/problem.js';
import { theApp } from '../support/app.js';
import { aMember, aTenant, type TestTenant } from '../support/builders.js';
import { call, type Answer } from '../support/call.js';

let tenant: TestTenant;
beforeAll(async () => {
  tenant = await aTenant();
});
afterEach(() => {
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const refused = async (): Promise<Answer> => call('GET', '/v1/tokens', { as: (await aMember(tenant, 'EXTERNAL')).session });
const theWitness = async (): Promise<RefusalWitness> => (await theApp()).app.get<RefusalWitness>(FailureWitness);

describe('a failure', () => {
  it('is answered even where it could not be witnessed', async () => {
    vi.spyOn(await theWitness(), 'witness').mockImplementation(() => Promise.reject(new Error('cannot see')));
    expect((await refused()).status).toBe(403);
  });

  it.each(['witnessed', 'seen by nobody'])('that its dialect has no words for, %s, is answered as a defect, and the log says which', async (how) => {
    const { log } = await theApp();
    const before = log.length;
    vi.spyOn(PROBLEM_REPLIES, 'permission-missing').mockImplementation(() => {
      throw new Error('out of words');
    });
    if (how === 'seen by nobody') vi.spyOn(await theWitness(), 'witness').mockReturnValue(null);
    const { status, body } = await refused();
    expect([status, body.code]).toEqual([500, 'internal']);
    expect(log.slice(before).map((line) => JSON.parse(line) as Record<string, unknown>)).toContainEqual(expect.objectContaining({ requestId: body.request_id, message: 'out of words' }));
  });
});

describe('the end of the service', () => {
  it('does not wait for refusals to be recorded that the database takes no word of', async () => {
    const [{ app, log }, witness] = [await theApp(), await theWitness()];
    const person = await aMember(tenant, 'EXTERNAL');
    for (let time = 0; time < 61; time += 1) await call('GET', '/v1/tokens', { as: person.session });
    vi.spyOn(app.get(RefusalLog), 'record').mockReturnValue(new Promise(() => undefined));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const ended = witness.onModuleDestroy();
    await vi.advanceTimersByTimeAsync(3_000);
    await ended;
    // Beside it stand the lines of the requests before, which are written when they have been answered.
    expect(log.join('')).toContain('not all refusals of the last minute could be recorded');
  });
});
