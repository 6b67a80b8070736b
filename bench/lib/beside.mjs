import { median } from './compare.mjs';
import { load } from './load.mjs';

/**
 * How long good requests at an even rate take alone, and beside each of the floods, in turns and in several rounds. `ratio` is
 * the median of what a figure of theirs is beside a flood over what it is alone in the same round; `answered` how many of the
 * flood were answered in a second.
 */
export async function beside(server, good, floods, { seconds, rounds }) {
  const measured = new Map([['alone', []], ...floods.map(({ name }) => [name, []])]);
  for (let round = 1; round <= rounds; round += 1) {
    for (const [name, results] of measured) {
      const flood = floods.find((each) => each.name === name);
      // It is there before the good ones are measured, and after.
      const [own, others] = await Promise.all([load(server, { ...good, seconds }), flood && load(server, { ...flood, seconds: seconds + 1, warmupSeconds: 0.5 })]);
      results.push({ good: own, flood: others ?? null });
      const rate = Math.round(own.perSecond).toString().padStart(7);
      const beside = others ? `  beside ${Math.round(others.perSecond)}/s of ${flood.perSecond}/s offered` : '';
      console.log(`  round ${round}/${rounds}  ${name.padEnd(34)} ${rate}/s  p50 ${own.p50.toFixed(2)}  p99 ${own.p99.toFixed(1)} ms${beside}`);
    }
  }
  const alone = measured.get('alone');
  return {
    ratio: (name, key) => median(measured.get(name).map((result, round) => result.good[key] / alone[round].good[key])),
    answered: (name) => median(measured.get(name).map(({ flood }) => flood.perSecond)),
    rounds: Object.fromEntries(measured),
  };
}
