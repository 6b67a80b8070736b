import { beforeAll, describe, expect, it } from 'vitest';
import { Background } from '../../src/kernel/background.js';
import { Database, type Tenant } from '../../src/kernel/database/database.js';
import { Clock } from '../../src/kernel/clock.js';
import { Maintenance, type Done } from '../../src/kernel/maintenance/maintenance.js';
import { MaintenanceRunner } from '../../src/kernel/maintenance/maintenance-runner.js';
import { theApp } from '../support/app.js';
import { aName, aTenant, sql, type TestTenant } from '../support/builders.js';

let database: Database;
let clock: Clock & { advance(seconds: number): void };
let a: TestTenant;
let b: TestTenant;
beforeAll(async () => {
  const started = await theApp();
  database = started.app.get(Database);
  clock = started.clock;
  [a, b] = [await aTenant(), await aTenant()];
});

/** A replica of its own, with a task that nobody else has. */
function aReplica(maintenance = new Maintenance()): { maintenance: Maintenance; runner: MaintenanceRunner } {
  return { maintenance, runner: new MaintenanceRunner(maintenance, database, clock, new Background(false)) };
}

describe('maintenance', () => {
  it('runs a task when it is due, on one replica alone, and again only after its interval', async () => {
    const name = aName('task');
    const ran: string[] = [];
    const [one, two] = [aReplica(), aReplica()];
    one.maintenance.add({ name, everySeconds: 60, inInstallation: async () => ran.push('one') * 0 });
    two.maintenance.add({ name, everySeconds: 60, inInstallation: async () => ran.push('two') * 0 });
    clock.advance(0);
    await Promise.all([one.runner.runDue(), two.runner.runDue()]);
    expect(ran).toHaveLength(1);
    clock.advance(59);
    await Promise.all([one.runner.runDue(), two.runner.runDue()]);
    expect(ran).toHaveLength(1);
    clock.advance(1);
    await Promise.all([one.runner.runDue(), two.runner.runDue()]);
    expect(ran).toHaveLength(2);
  });

  it('goes on batch by batch until one is not full, each bound to its organization and to less than a second', async () => {
    const { maintenance, runner } = aReplica();
    const batches: [string, number][] = [];
    const left = new Map([[a.id, 1100], [b.id, 3]]);
    const name = aName('task');
    const inOrganization = async ({ organizationId, manager }: Tenant, limit: number): Promise<number> => {
      const [bound] = await manager.query<{ id: string; timeout: string }[]>(`SELECT current_organization_id() AS id, current_setting('statement_timeout') AS timeout`);
      expect(bound).toEqual({ id: organizationId, timeout: '900ms' });
      const done = Math.min(limit, left.get(organizationId) ?? 0);
      left.set(organizationId, (left.get(organizationId) ?? 0) - done);
      batches.push([organizationId, done]);
      return done;
    };
    maintenance.add({ name, everySeconds: 60, organizations: async () => [a.id, b.id], inOrganization });
    expect(await runner.run(name)).toBe(1103);
    expect([...left.values()]).toEqual([0, 0]);
    expect(Math.max(...batches.map(([, done]) => done))).toBeLessThanOrEqual(500);
    expect(batches.filter(([id]) => id === a.id).length).toBeGreaterThanOrEqual(3);
  });

  it('asks every organization where a task does not say which', async () => {
    const { maintenance, runner } = aReplica();
    const name = aName('task');
    const asked = new Set<string>();
    maintenance.add({ name, everySeconds: 60, inOrganization: async ({ organizationId }) => asked.add(organizationId).size * 0 });
    await runner.run(name);
    expect(asked).toContain(a.id);
    expect(asked).toContain(b.id);
    expect(await sql(a, `SELECT id FROM organizations WHERE id = $1`, [b.id])).toEqual([]);
  });

  it('makes the batch smaller where the database ends it for taking too long', async () => {
    const { maintenance, runner } = aReplica();
    const name = aName('task');
    const limits: number[] = [];
    const inOrganization = async (_: Tenant, limit: number): Promise<number> => {
      limits.push(limit);
      if (limit > 100) throw Object.assign(new Error('canceling statement due to statement timeout'), { code: '57014' });
      return 0;
    };
    maintenance.add({ name, everySeconds: 60, organizations: async () => [a.id], inOrganization });
    await runner.run(name);
    expect(limits).toEqual([500, 125, 32]);
  });

  it('lets no failing task, and no failing organization, keep the others from their turn', async () => {
    const { maintenance, runner } = aReplica();
    const [broken, sound] = [aName('a-broken-task'), aName('sound-task')];
    const ran: string[] = [];
    const inOrganization = async ({ organizationId }: Tenant): Promise<number> => {
      if (organizationId === a.id) throw new Error('broken');
      return ran.push('the other organization') * 0;
    };
    maintenance.add({ name: broken, everySeconds: 60, organizations: async () => [a.id, b.id], inOrganization });
    maintenance.add({ name: sound, everySeconds: 60, inInstallation: async () => ran.push('the other task') * 0 });
    await runner.runDue();
    expect(ran).toEqual(['the other organization', 'the other task']);
    await expect(runner.run(broken)).rejects.toThrow('in 1 organization(s), such as: broken');
  });

  it('does what has to wait for the commit only where there was one', async () => {
    const { maintenance, runner } = aReplica();
    const name = aName('task');
    const done: string[] = [];
    const commits = async ({ organizationId }: Tenant): Promise<Done> => ({ count: 0, onceCommitted: () => done.push(organizationId) });
    maintenance.add({ name, everySeconds: 60, organizations: async () => [b.id], inOrganization: commits });
    await runner.run(name);
    expect(done).toEqual([b.id]);
    const broken = aName('task');
    const commitFails = async ({ manager }: Tenant): Promise<Done> => {
      // A reference that is checked when the transaction commits, and leads nowhere.
      await manager.query('SET CONSTRAINTS ALL DEFERRED');
      await manager.query(`INSERT INTO queue.job (name, dead_letter) VALUES ('webhook-deliveries', 'no such queue')`);
      return { count: 0, onceCommitted: () => done.push('not committed') };
    };
    maintenance.add({ name: broken, everySeconds: 60, organizations: async () => [a.id], inOrganization: commitFails });
    await expect(runner.run(broken)).rejects.toThrow('dlq_fkey');
    expect(done).toEqual([b.id]);
  });

  it('refuses two tasks of one name', () => {
    const { maintenance } = aReplica();
    maintenance.add({ name: 'same', everySeconds: 60, inInstallation: async () => 0 });
    expect(() => maintenance.add({ name: 'same', everySeconds: 60, inInstallation: async () => 0 })).toThrow('two maintenance tasks are called same');
  });
});
