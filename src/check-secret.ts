import { text } from 'node:stream/consumers';
import { checkSecret } from './inventory/check-secret.js';

const [given] = process.argv.slice(2);
if (given === undefined && process.stdin.isTTY) process.stderr.write('Reads the string from standard input, where no other program sees it; end it with Ctrl-D.\n');
const { isSecret, says } = checkSecret((given ?? (await text(process.stdin))).trim());
process.stdout.write(`${says}\n`);
process.exitCode = isSecret ? 0 : 1;
