import { expect, it } from 'vitest';
import type { Principal } from '../access/principal.js';
import { toIdentityHeaders } from './forward-auth.mapper.js';

const person = (email: string): Principal => ({
  organizationId: 'o',
  organization: { id: 'o', slug: 'o', name: 'O', platform: false },
  actor: { kind: 'user', id: 'u', credential: { kind: 'session', id: 's' }, origin: null },
  permissions: new Set(['token:read', 'audit:read']),
  narrowed: false,
  projects: [{ id: '1', key: 'web' }, { id: '2', key: 'shop' }],
  tokenId: null,
  user: { id: 'u', email, name: 'Ü' },
  sessionId: 's',
  token: null,
});
const written = (email: string) => Object.fromEntries(toIdentityHeaders(person(email)));

it('says of a session whose it is and what it may do, and nothing of a token', () => {
  expect(written('ada@example.com')).toEqual({
    'x-gatehouse-organization-id': 'o',
    'x-gatehouse-owner-kind': 'user',
    'x-gatehouse-owner-id': 'u',
    'x-gatehouse-username': 'ada@example.com',
    'x-gatehouse-scope': 'audit:read token:read',
    'x-gatehouse-projects': 'web,shop',
  });
});

it.each(['jürgen@example.com', 'a\r\nx-gatehouse-owner-id: other', '100%@example.com', 'a\0@example.com', '日本@example.com', '\ud800@example.com', 'a\u2028b'])(
  'percent-encodes in %j what a header may not have, so that it can be read back',
  (email) => {
    const value = written(email)['x-gatehouse-username'] ?? '';
    expect(value).toMatch(/^[\x20-\x7e]+$/);
    expect(decodeURIComponent(value)).toBe(email.toWellFormed());
  },
);
