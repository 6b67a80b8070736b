import { UNLEASH } from './import/unleash-source.js';
import { importCommand } from './import/import-command.js';

process.exitCode = await importCommand(
  UNLEASH,
  process.argv.slice(2),
  process.env,
  (text) => process.stdout.write(text),
  (text) => process.stderr.write(text),
);
