import { load } from './load.mjs';

/**
 * Puts each contender under the same load in turns, several rounds of it, so that whatever else the machine does hits them all
 * alike. `of` is the median of a figure; `ratio` compares two contenders within each round and takes the median of that.
 */
export async function compare(contenders, { rounds = 3, ...options }) {
  const measured = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 1; round <= rounds; round += 1) {
    for (const { name, server, ...own } of contenders) {
      const result = await load(server, { ...options, ...own });
      measured.get(name).push(result);
      const rate = Math.round(result.perSecond).toString().padStart(7);
      console.log(`  round ${round}/${rounds}  ${name.padEnd(34)} ${rate}/s  ${result.cpuMicroseconds.toFixed(0).padStart(5)} µs CPU  p50 ${result.p50.toFixed(1)}  p99 ${result.p99.toFixed(1)} ms`);
    }
  }
  return {
    of: (name, key) => median(measured.get(name).map((result) => result[key])),
    ratio: (name, over, key = 'perSecond') => median(measured.get(name).map((result, round) => result[key] / measured.get(over)[round][key])),
    rounds: Object.fromEntries(measured),
  };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
