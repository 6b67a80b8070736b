import type { Door } from './kernel/http/door.js';
import { oauth2Door } from './oauth2/oauth2.door.js';
import { fynnDoor } from './users/door/fynn.door.js';

/** The token APIs the service speaks, one line each; everything else is our own and answers problems (RFC 9457). */
export const DOORS: readonly Door[] = [
  fynnDoor, // users
  oauth2Door,
];
