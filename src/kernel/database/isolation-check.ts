import type { DataSource } from 'typeorm';

/** Tables that belong to the installation, not to a tenant; every other table must carry and enforce its organization. */
const SHARED_TABLES = ['users', 'signing_keys', 'registered_permissions', 'login_attempts', 'maintenance_turns', 'invalidations', 'imported_fingerprints', 'schema_migrations'];

/** Faults in the database that would let one tenant see another's rows; empty when row-level security binds the service. */
export async function isolationFaults(dataSource: DataSource): Promise<readonly string[]> {
  const [role] = await dataSource.query<{ name: string; superuser: boolean; bypass: boolean }[]>(
    `SELECT rolname AS name, rolsuper AS superuser, rolbypassrls AS bypass FROM pg_roles WHERE rolname = current_user`,
  );
  const faults: string[] = [];
  if (!role || role.superuser || role.bypass) {
    faults.push(`the service works as "${role?.name ?? 'unknown'}", whom row-level security does not bind`);
  }
  const tables = await dataSource.query<{ name: string; owned: boolean; enforced: boolean; tenant: boolean }[]>(
    `SELECT c.relname AS name, pg_has_role(current_user, c.relowner, 'MEMBER') AS owned,
            c.relrowsecurity AND c.relforcerowsecurity AS enforced,
            c.relname = 'organizations' OR EXISTS (
              SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'organization_id' AND a.attnotnull) AS tenant
       FROM pg_class c
      WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
      ORDER BY c.relname`,
  );
  for (const table of tables) {
    if (table.owned) faults.push(`the service owns table ${table.name} and could switch its row-level security off`);
    if (SHARED_TABLES.includes(table.name)) continue;
    if (!table.tenant) faults.push(`table ${table.name} has no organization_id and is not known to be shared`);
    if (!table.enforced) faults.push(`row-level security of table ${table.name} is not enabled and forced`);
  }
  return faults;
}
