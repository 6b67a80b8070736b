import type { BodyPolicy, Door, PresentedCredential, Replies, Reply } from '../../kernel/http/door.js';
import { ANY_ORIGIN } from './unleash-cors.js';
import { ADMIN_REPLIES, messageOnly, wrongTokenType } from './unleash-replies.js';

const BEARER = /^bearer\s+/i;

const body: BodyPolicy = { accepts: ['application/json'], malformedFirst: true, empty: 'empty-object', parse: parseObjectOrArray };

/** The token as it is, or behind `Bearer` in any case and with any spaces. Any other scheme is a token nobody has. */
function credential({ authorization }: { authorization?: string }): PresentedCredential {
  const presented = authorization?.trim();
  return presented ? { secret: presented.replace(BEARER, '') } : 'missing';
}

/** Takes objects and arrays only; another value is refused in the words for text that is no JSON. */
function parseObjectOrArray(text: string): unknown {
  const trimmed = text.trimStart();
  if (trimmed.startsWith('{') || trimmed.startsWith('[')) return JSON.parse(text);
  const excerpt = text.length > 20 ? `"${text.slice(0, 10)}"...` : `"${text}"`;
  throw new SyntaxError(`Unexpected token '${[...trimmed][0]}', ${excerpt} is not valid JSON`);
}

const adminDoor: Door = { name: 'projects', paths: ['/api/admin', '/edge'], body, credential, replies: ADMIN_REPLIES };

const tokenRequired = (): Reply =>
  messageOnly(401, 'This endpoint requires an API token. Please add an authorization header to your request with a valid token');

const SDK_REPLIES: Replies = {
  ...ADMIN_REPLIES,
  'credentials-missing': tokenRequired,
  'credentials-invalid': tokenRequired,
  'permission-missing': wrongTokenType,
  'caller-refused': wrongTokenType,
};

const clientDoor: Door = { name: 'projects-client', paths: ['/api/client'], body, credential, replies: SDK_REPLIES };

const FRONTEND_REPLIES = Object.fromEntries(
  Object.entries(SDK_REPLIES).map(([code, say]) => [
    code,
    (...failed: Parameters<typeof say>): Reply => {
      const reply = (say as (...failed: unknown[]) => Reply)(...failed);
      return { ...reply, headers: { ...reply.headers, ...ANY_ORIGIN } };
    },
  ]),
) as unknown as Replies;

const frontendDoor: Door = { name: 'projects-frontend', paths: ['/api/frontend'], body, credential, replies: FRONTEND_REPLIES };

/** Speaks Unleash: to those who manage tokens, to proxies that ask about them, and to SDKs, which are refused in other words. */
export const unleashDoors: readonly Door[] = [adminDoor, clientDoor, frontendDoor];
