import { fliptDoor } from './auth-methods/door/flipt.door.js';
import type { Door } from './kernel/http/door.js';
import { infisicalDoor } from './machine-identities/door/infisical.door.js';
import { oauth2Door } from './oauth2/oauth2.door.js';
import { deepsetDoor } from './organizations/door/deepset.door.js';
import { unleashDoors } from './projects/door/unleash.door.js';
import { fynnDoor } from './users/door/fynn.door.js';

/** The token APIs the service speaks, one line each; everything else is our own and answers problems (RFC 9457). */
export const DOORS: readonly Door[] = [
  fynnDoor, // users
  ...unleashDoors, // projects
  deepsetDoor, // organizations
  infisicalDoor, // machine-identities
  fliptDoor, // auth-methods
  oauth2Door,
];
