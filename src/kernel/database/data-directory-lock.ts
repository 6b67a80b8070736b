import { randomUUID } from 'node:crypto';
import { link, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Refusal to share a data directory: the message names the process that has it and the way out. */
export class DataDirectoryInUse extends Error {
  constructor(
    directory: string,
    readonly processId: number,
  ) {
    const owner = processId === process.pid ? `this process (${processId})` : `process ${processId}`;
    super(`The data directory ${directory} is in use by ${owner}: stop that process, or set DATA_DIR to another directory.`);
  }
}

/** A directory that is this holder's alone until it is released or the process ends, however it ends. */
export interface DataDirectoryLock {
  release(): Promise<void>;
}

/**
 * Takes the directory, which it creates if need be; throws DataDirectoryInUse while a live process has it.
 *
 * Claims are numbered files, and whoever finds only claims of dead processes makes the one with the next number: of two
 * who find the same, one cannot make its file. It then looks again and yields to any other live claim; so also of two
 * who found different claims, the later one yields. Nobody ever removes the file of a live process.
 */
export async function lockDataDirectory(directory: string): Promise<DataDirectoryLock> {
  await mkdir(directory, { recursive: true, mode: 0o700 });
  for (;;) {
    const found = await claimsIn(directory);
    await refuseIfHeld(directory, found);
    const file = join(directory, `lock.${1 + Math.max(0, ...found.map((claim) => claim.number))}`);
    const claim = `${process.pid} ${(await startOf(process.pid)) ?? unknownStart}\n`;
    if (!(await createWhole(file, claim))) continue;
    const others = (await claimsIn(directory)).filter((other) => other.file !== file);
    try {
      await refuseIfHeld(directory, others);
    } catch (error) {
      await rm(file);
      throw error;
    }
    for (const dead of others) await rm(dead.file, { force: true });
    return { release: () => rm(file, { force: true }) };
  }
}

interface Claim {
  file: string;
  number: number;
  processId: number;
  start: string;
}

const unknownStart = 'unknown';

async function claimsIn(directory: string): Promise<Claim[]> {
  const claims: Claim[] = [];
  for (const name of await readdir(directory)) {
    const number = /^lock\.(\d+)$/.exec(name)?.[1];
    if (!number) continue;
    const file = join(directory, name);
    const content = await readFile(file, 'utf8').catch(nullIfAbsent);
    if (content === null) continue;
    const [processId, start] = content.trim().split(' ');
    claims.push({ file, number: Number(number), processId: Number(processId), start });
  }
  return claims;
}

async function refuseIfHeld(directory: string, claims: Claim[]): Promise<void> {
  for (const claim of claims) {
    if (await isLive(claim)) throw new DataDirectoryInUse(directory, claim.processId);
  }
}

async function isLive({ processId, start }: Claim): Promise<boolean> {
  try {
    process.kill(processId, 0);
  } catch (error) {
    // Any other failure, such as EPERM, means that there is such a process.
    if (codeOf(error) === 'ESRCH') return false;
  }
  const startNow = await startOf(processId);
  return startNow === null || start === unknownStart || start === startNow;
}

/** What tells a process from another one that had or will have its id; null where the system does not say. */
async function startOf(processId: number): Promise<string | null> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null);
  const stat = await readFile(`/proc/${processId}/stat`, 'utf8').catch(() => null);
  if (!boot || !stat) return null;
  // proc(5): the second field is a name in parentheses that may hold anything; the third is the state, the 22nd the start.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  // A zombie writes no more, and in a container it may never be reaped.
  return fields[0] === 'Z' || fields[0] === 'X' ? 'ended' : `${boot.trim()}/${fields[19]}`;
}

/** Makes the file appear with all its content, or returns false if there is one already. */
async function createWhole(file: string, content: string): Promise<boolean> {
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, content, { flag: 'wx' });
  try {
    await link(draft, file);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(draft);
  }
}

function nullIfAbsent(error: unknown): null {
  if (codeOf(error) === 'ENOENT') return null;
  throw error;
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
