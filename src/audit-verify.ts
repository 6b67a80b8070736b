import { verifyCommand } from './audit-trail/verify-command.js';

process.exitCode = await verifyCommand(
  process.argv.slice(2),
  (text) => process.stdout.write(text),
  (text) => process.stderr.write(text),
);
