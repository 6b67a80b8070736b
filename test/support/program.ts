import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

export interface Program {
  /** Ends it with the signal; resolves when it has ended. */
  stop(signal: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

/** A program of the system with a configuration of its own, started when it answers at the port. */
export async function startProgram(name: string, port: number, configuration: string, argumentsOf: (file: string, folder: string) => string[]): Promise<Program> {
  const folder = mkdtempSync(join(tmpdir(), `gatehouse-${name}-`));
  const file = join(folder, 'configuration');
  writeFileSync(file, configuration);
  // What is started by root works as somebody else.
  chmodSync(folder, 0o755);
  const child = spawn(name, argumentsOf(file, folder), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder, PATH: `${process.env['PATH']}:/usr/sbin` } });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = new Promise<string>((resolve) => {
    child.once('error', ({ message }) => resolve(message));
    child.once('exit', (code) => resolve(`it ended with ${code}: ${said}`));
  });
  const fault = await Promise.race([ended, answers(port).then(() => null)]);
  if (fault !== null) throw new Error(`${name} does not run: ${fault}`);
  return {
    async stop(signal) {
      child.kill(signal);
      await ended;
      rmSync(folder, { recursive: true });
    },
  };
}

async function answers(port: number): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1');
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
      socket.once('connect', () => socket.destroy());
    });
    if (isOpen) return;
    await pause(20);
  }
}
