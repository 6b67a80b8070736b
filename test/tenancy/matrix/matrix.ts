import type { Answer } from '../../support/call.js';
import { attacksOn, type Attack, type ValueAt } from './attacks.js';
import { absentLike, difference, shapeOf, tracesIn } from './comparison.js';
import { watchGuard } from './guard-watch.js';
import type { Operation, Place } from './operations.js';
import { explainDeadPlace, explainMissingRecipe } from './missing-recipe.js';
import { isBarred, type Caller } from './principals.js';
import { kindAt, recipeOf } from './recipes.js';
import { ownAt, ownInput, send, textsOf, type Input } from './requests.js';
import { thingsOf } from './twins.js';
import type { World } from './world.js';

export interface Report {
  cells: number;
  /** Of these, cells of callers who are refused before any id is looked at, with one answer for all. */
  refused: number;
  requests: number;
  readonly leaks: string[];
  /** Operations that nobody got a 2xx for, and places that make no difference with one's own either. */
  readonly vacuous: string[];
}

const AT_ONCE = 8;
/** Of one operation: one fault shows in many cells. */
const SHOWN_MAX = 5;
const TURNED_AWAY = 'turned away by the guard';
const isSuccess = ({ status }: Answer): boolean => status >= 200 && status < 300;

/** Calls every operation as every caller with every place pointing at B, and tells what of B could be seen, sensed or changed. */
export async function runMatrix(world: World, operations: readonly Operation[]): Promise<Report> {
  const report: Report = { cells: 0, refused: 0, requests: 0, leaks: [], vacuous: [] };
  const guard = watchGuard();
  try {
    for (const operation of operations) await new OperationRun(world, operation, report, guard.refused).run();
  } finally {
    guard.stop();
  }
  return report;
}

class OperationRun {
  private readonly attacks: readonly Attack[];
  private readonly changes: boolean;
  /** Whether a second request like the first is answered otherwise: then A's things are put back between two. */
  private consuming = false;
  private dirty = false;
  private leaks = 0;

  constructor(
    private readonly world: World,
    private readonly operation: Operation,
    private readonly report: Report,
    private readonly refusedByGuard: ReadonlySet<string>,
  ) {
    this.attacks = attacksOn(operation);
    this.changes = operation.method !== 'GET' || recipeOf(operation).changes === true;
  }

  async run(): Promise<void> {
    const before = await this.fingerprintOfB();
    const { entering, succeeding } = await this.callWithOwnIds();
    await this.compareWithB(before);
    await this.putBack();
    await this.showThatPlacesMatter(succeeding);
    await this.showThatItIsThere(succeeding);
    const unattacked = await this.fingerprintOfB();
    for (const attack of this.attacks) await this.attackWith(attack, entering);
    await this.putBack();
    await this.compareWithB(unattacked);
  }

  /** Everybody's own things first: who enters, and who is answered well. */
  private async callWithOwnIds(): Promise<{ entering: readonly Caller[]; succeeding: readonly Caller[] }> {
    const { permission } = this.operation;
    const isOperators = permission.startsWith('platform:');
    const { operator } = this.world;
    // Where the operator may name any organization, it shows that the operation works; elsewhere it is a stranger.
    const callers = isOperators ? [operator, ...this.world.callers] : recipeOf(this.operation).operatorMay ? this.world.callers : [...this.world.callers, operator];
    const entering: Caller[] = [];
    const succeeding: Caller[] = [];
    for (const caller of callers) {
      const { answer, sent } = await this.askWithOwnIds(caller);
      if (this.isRefused(answer)) {
        await this.showRefusalIsBlind(caller, answer, sent);
        continue;
      }
      if (isBarred(caller, permission)) this.leak(`${caller.name}: is let in`, String(answer.status));
      if (!isOperators || caller !== operator) entering.push(caller);
      if (!isSuccess(answer)) continue;
      if (succeeding.length === 0 && this.changes) this.consuming = !isSuccess((await this.askWithOwnIds(caller)).answer);
      succeeding.push(caller);
      if (this.consuming) await this.putBack();
    }
    if (succeeding.length === 0) await this.explainVacuity(entering[0] ?? callers[0]);
    return { entering, succeeding };
  }

  private async askWithOwnIds(caller: Caller): Promise<{ answer: Answer; sent: readonly string[] }> {
    const input = ownInput(this.operation, this.world.a);
    const answer = await this.ask(caller, input);
    if (caller !== this.world.operator || !this.operation.permission.startsWith('platform:')) this.inspect(answer, caller, 'own ids', textsOf(input));
    return { answer, sent: textsOf(input) };
  }

  /** A place where one's own makes no difference proves nothing by refusing another's: with one's own somebody must get a 2xx. */
  private async showThatPlacesMatter(succeeding: readonly Caller[]): Promise<void> {
    for (const attack of this.attacks.filter(({ needsProof }) => needsProof)) {
      let answer: Answer | null = null;
      for (const caller of succeeding.slice(0, 3)) {
        answer = await this.ask(caller, attack.on(ownInput(this.operation, this.world.a), (place, kind) => ownAt(this.operation, place, this.world.a, kind)));
        if (this.consuming) await this.putBack();
        if (isSuccess(answer)) break;
      }
      if (answer && !isSuccess(answer)) this.report.vacuous.push(explainDeadPlace(this.operation, attack, answer));
    }
    await this.putBack();
  }

  /** What A is refused is there: B's own callers get it with the same request. */
  private async showThatItIsThere(succeeding: readonly Caller[]): Promise<void> {
    const names = succeeding.map(({ name }) => name);
    const counterparts = this.world.counterparts.filter(({ name }) => names.includes(name));
    if (succeeding.every((caller) => caller === this.world.operator)) return;
    for (const counterpart of counterparts) {
      await this.putBack();
      const answer = await this.ask(counterpart, ownInput(this.operation, this.world.b));
      this.dirty = false;
      await this.world.state.restore();
      if (isSuccess(answer)) return;
    }
    this.report.vacuous.push(`${this.operation.name}: nobody of B gets a 2xx with the ids that A is refused`);
  }

  /** The guard has not read ids: its answer to B's is the answer to A's own, so one request stands for all places. */
  private async showRefusalIsBlind(caller: Caller, answerToOwn: Answer, sentOwn: readonly string[]): Promise<void> {
    const input = this.attacks.reduce((each, { on }) => on(each, (place, kind) => this.foreign(place, 0, kind)), ownInput(this.operation, this.world.a));
    const sent = textsOf(input);
    const answer = await this.ask(caller, input);
    this.inspect(answer, caller, 'everything of B', sent);
    const [toOwn, toForeign] = [answerToOwn, answer].map((each) => shapeOf(each, [...sentOwn, ...sent])) as [string, string];
    if (toOwn !== toForeign) this.leak(`${caller.name}: a refusal depends on ids`, difference(toOwn, toForeign));
    this.report.cells += this.attacks.length;
    this.report.refused += this.attacks.length;
  }

  private async attackWith(attack: Attack, callers: readonly Caller[]): Promise<void> {
    const again: Caller[] = [];
    for (let start = 0; start < callers.length; start += AT_ONCE) {
      await Promise.all(callers.slice(start, start + AT_ONCE).map(async (caller, index) => {
        const foreign = await this.attempt(attack, caller, 'foreign', start + index);
        const nobodys = await this.attempt(attack, caller, 'absent', start + index);
        if (foreign === TURNED_AWAY || foreign !== nobodys) again.push(caller);
      }));
    }
    // What changes A's own things answers the second request in another way, or ends who asks: each once more, from the same state.
    for (const caller of again) {
      const turn = callers.indexOf(caller);
      await this.putBack();
      const foreign = await this.attempt(attack, caller, 'foreign', turn);
      await this.putBack();
      const nobodys = await this.attempt(attack, caller, 'absent', turn);
      if (foreign === TURNED_AWAY) this.report.vacuous.push(`${this.operation.name}: ${caller.name} is let in with their own things and turned away with ${attack.name}`);
      else if (foreign !== nobodys) this.leak(`${caller.name}, ${attack.name}: B's is not answered like what nobody has`, difference(foreign, nobodys));
    }
    if (this.consuming || again.length > 0) await this.putBack();
    this.report.cells += callers.length;
  }

  /** What the answer looks like, unless the guard gave it. */
  private async attempt(attack: Attack, caller: Caller, whose: 'foreign' | 'absent', turn: number): Promise<string> {
    const value: ValueAt = (place, kind) => (whose === 'foreign' ? this.foreign(place, turn, kind) : absentLike(this.foreign(place, turn, kind)));
    const input = attack.on(ownInput(this.operation, this.world.a), value);
    const sent = textsOf(input);
    const answer = await this.ask(caller, input);
    this.inspect(answer, caller, attack.name, sent);
    return this.isRefused(answer) ? TURNED_AWAY : shapeOf(answer, sent);
  }

  /** What B has of the kind that stands there; another one for each caller, so that all come up. */
  private foreign(place: Place, turn: number, kind = kindAt(this.operation, place)): string {
    const things = thingsOf(this.world.b, kind, this.operation.name);
    return things[turn % things.length] ?? this.world.b.canary;
  }

  private async ask(caller: Caller, input: Input): Promise<Answer> {
    this.report.requests += 1;
    const answer = await send(this.operation, input, caller.authorizationFor(this.operation.permission));
    if (this.changes && isSuccess(answer)) this.dirty = true;
    return answer;
  }

  private isRefused({ headers }: Answer): boolean {
    return this.refusedByGuard.has(String(headers['x-request-id']));
  }

  private inspect(answer: Answer, caller: Caller, attack: string, sent: readonly string[]): void {
    if (answer.status >= 500) this.leak(`${caller.name}, ${attack}: answered ${answer.status}`, answer.text);
    const traces = tracesIn(answer, sent, this.world.tracesOfB);
    if (traces.length > 0) this.leak(`${caller.name}, ${attack}: ${answer.status} shows of B`, traces.slice(0, 3).join(', '));
  }

  /** A's things as they were; what was written until then must be neither B's nor refer to B. */
  private async putBack(): Promise<void> {
    if (!this.dirty) return;
    this.dirty = false;
    const { a, state } = this.world;
    this.leakOf(await state.changedOfWatched());
    const placed = await state.referencesToMarked([a.tenant.id, a.sub.id]);
    if (placed.length > 0) this.leak('a row of A refers to B', placed.join(', '));
    await state.restore();
  }

  private fingerprintOfB(): Promise<Readonly<Record<string, string>>> {
    const { tenant, sub, people } = this.world.b;
    return this.world.state.fingerprint([tenant.id, sub.id], people.map(({ id }) => id));
  }

  private async compareWithB(before: Readonly<Record<string, string>>): Promise<void> {
    const after = await this.fingerprintOfB();
    const changed = Object.keys(before).filter((table) => before[table] !== after[table]);
    this.leakOf(changed);
    if (changed.length > 0) await this.world.state.restore();
  }

  private leakOf(changed: readonly string[]): void {
    const { tables = [] } = recipeOf(this.operation).recordedThere ?? {};
    const wrongly = changed.filter((table) => !tables.includes(table));
    if (wrongly.length > 0) this.leak('B was changed', wrongly.join(', '));
  }

  private async explainVacuity(caller: Caller | undefined): Promise<void> {
    if (!caller) throw new Error('nobody calls');
    const input = ownInput(this.operation, this.world.a);
    this.report.vacuous.push(explainMissingRecipe(this.operation, caller.name, input, await this.ask(caller, input)));
  }

  private leak(what: string, detail: string): void {
    this.leaks += 1;
    if (this.leaks > SHOWN_MAX) return;
    this.report.leaks.push(this.leaks === SHOWN_MAX ? `${this.operation.name}: and more` : `${this.operation.name}: ${what}: ${detail.slice(0, 600)}`);
  }
}
