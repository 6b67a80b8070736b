import type { OpenAPIObject } from '@nestjs/swagger';
import { PERMISSION_DESCRIPTIONS } from './tokens/permission-descriptions.js';
import { BUILT_IN_ROLES, permissionsOfRole, PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, type Permission } from './tokens/permissions.js';

const OPENING = `# Permissions

Written by \`npm run docs:permissions\` from the code; a test compares it with the code and with what every route answers.

A permission reads \`resource[:part]:action\`. Custom roles name permissions, or patterns in which \`*\` stands for exactly
one whole segment: \`invoice:*\` holds \`invoice:read\`, and neither \`invoices:read\` nor \`invoice:line:read\`. No wildcard
before it stands for \`platform\`. What the operator registers at \`/v1/permissions\` can be held besides what stands here:
administrators hold it as soon as it is registered, and nobody holds it once it is retired.

What a credential may do at the time of its use is what its own list, its role and its owner's role allow together.
`;

/** The text of docs/permissions.md: which built-in role holds which permission, and which permission each route asks for. */
export function describePermissions(document: OpenAPIObject): string {
  return [OPENING, '## Who holds what', '', ...roleTable(), '', '## What each route asks for', '', ...routeTable(document), ''].join('\n');
}

function roleTable(): string[] {
  const columns = [
    ...BUILT_IN_ROLES.map((role) => ({ title: role, held: permissionsOfRole({ key: role, permissions: [] }, false, []) })),
    { title: 'ADMIN of the platform', held: permissionsOfRole({ key: 'ADMIN', permissions: [] }, true, []) },
  ];
  const row = (permission: Permission): string =>
    toRow([`\`${permission}\``, ...columns.map(({ held }) => (held.has(permission) ? 'yes' : '–')), PERMISSION_DESCRIPTIONS[permission]]);
  return [...toHead(['permission', ...columns.map(({ title }) => title), 'what it lets one do']), ...[...TENANT_PERMISSIONS, ...PLATFORM_PERMISSIONS].map(row)];
}

/** What the document says of a route, as far as it matters here. */
interface Operation {
  readonly 'x-permission'?: string;
  readonly security?: readonly Readonly<Record<string, unknown>>[];
}

function routeTable({ paths }: OpenAPIObject): string[] {
  const rows = Object.entries(paths as Readonly<Record<string, Readonly<Record<string, Operation>>>>).flatMap(([path, operations]) =>
    Object.entries(operations).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })));
  const byPath = (left: { path: string; method: string }, right: typeof left): number => (`${left.path} ${left.method}` < `${right.path} ${right.method}` ? -1 : 1);
  return [
    ...toHead(['route', 'permission', 'with']),
    ...rows.sort(byPath).map(({ path, method, operation }) => toRow([`\`${method} ${path}\``, `\`${operation['x-permission'] ?? ''}\``, toCredentials(operation)])),
  ];
}

function toCredentials({ security = [] }: Operation): string {
  const kinds = security.flatMap((each) => Object.keys(each));
  if (kinds.length === 0) return 'nothing';
  if (kinds.includes('session')) return kinds.length === 1 ? 'a session' : 'a session or a token';
  return 'a token';
}

function toHead(titles: readonly string[]): string[] {
  return [toRow(titles), toRow(titles.map(() => '---'))];
}

function toRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
