import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, totalmem } from 'node:os';
import { spawnSync } from 'node:child_process';
import { SERVER } from './scratch-database.mjs';

const RESULTS = new URL('../results/', import.meta.url);
const PAGE = new URL('../README.md', import.meta.url);

/**
 * One figure: what it is, its value, and what it should be. `least` or `most` is the target that must be met, `aim` the one
 * beyond it.
 */
export function figure(name, value, { unit = '', least = null, most = null, aim = null } = {}) {
  const met = least !== null ? value >= least : most !== null ? value <= most : null;
  return { name, value: Number(value.toPrecision(4)), unit, ...(least !== null && { least }), ...(most !== null && { most }), ...(aim !== null && { aim }), ...(met !== null && { met }) };
}

/** Keeps what one command measured as JSON, writes the table of all commands anew, and prints what is new. */
export function report(command, { figures, details }) {
  const result = { command: `npm run bench:${command}`, measuredAt: new Date().toISOString().slice(0, 16) + 'Z', machine: machine(), figures, details };
  writeFileSync(new URL(`${command}.json`, RESULTS), `${JSON.stringify(result, null, 2)}\n`);
  writeTable();
  console.log(`\n${tableOf([result])}\nAll of it: bench/results/${command}.json; every command's figures: bench/README.md\n`);
}

function machine() {
  const [cpu] = cpus();
  return { cpu: cpu.model.trim(), cores: cpus().length, memoryGigabytes: Math.round(totalmem() / 2 ** 30), node: process.version, postgresql: postgresVersion(), loadBefore: Number(LOAD_BEFORE.toFixed(2)) };
}

/** What else the machine did in the minute before. */
const [LOAD_BEFORE] = loadavg();

function postgresVersion() {
  const { stdout } = spawnSync('psql', [SERVER, '-Atc', 'SHOW server_version'], { encoding: 'utf8' });
  return stdout?.trim() || 'unknown';
}

function writeTable() {
  const results = readdirSync(RESULTS).filter((name) => name.endsWith('.json')).sort().map((name) => JSON.parse(readFileSync(new URL(name, RESULTS), 'utf8')));
  const page = readFileSync(PAGE, 'utf8');
  const [before, rest] = page.split('<!-- figures -->');
  const after = rest.split('<!-- /figures -->')[1];
  writeFileSync(PAGE, `${before}<!-- figures -->\n\n${tableOf(results)}\n<!-- /figures -->${after}`);
}

function tableOf(results) {
  return results
    .map(({ command, measuredAt, machine: { cpu, cores, memoryGigabytes, node, postgresql, loadBefore }, figures }) =>
      [
        `\`${command}\` · ${measuredAt} · ${cores} cores of ${cpu}, ${memoryGigabytes} GB · Node ${node} · PostgreSQL ${postgresql} · load before ${loadBefore}`,
        '',
        '| figure | measured | target | aim | |',
        '|---|---|---|---|---|',
        ...figures.map(({ name, value, unit, least, most, aim, met }) => {
          const target = least !== undefined ? `≥ ${least}` : most !== undefined ? `≤ ${most}` : '';
          return `| ${name} | ${value}${unit && ` ${unit}`} | ${target} | ${aim ?? ''} | ${met === undefined ? '' : met ? 'met' : '**missed**'} |`;
        }),
        '',
      ].join('\n'),
    )
    .join('\n');
}
