/** The role that the service works as. */
export const SERVICE_ROLE = 'gatehouse_app';

/** An end to whatever would hang, in milliseconds. */
export const SESSION_TIMEOUTS = { statement_timeout: 10_000, lock_timeout: 5_000, idle_in_transaction_session_timeout: 15_000 } as const;

/** Applied by the server to each session of the service, when it begins. */
export const SESSION_OPTIONS = Object.entries({ role: SERVICE_ROLE, ...SESSION_TIMEOUTS })
  .map(([name, value]) => `-c ${name}=${value}`)
  .join(' ');
