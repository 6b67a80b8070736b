import { Injectable, type ArgumentMetadata, type PipeTransform, type Type } from '@nestjs/common';
import { getMetadataStorage } from 'class-validator';
import { InputInvalid, type Violation } from '../failure.js';
import { isClosed } from './nothing-else.js';
import { isOptionalBody } from './optional-body.js';
import { ReceivedBody } from './received-body.js';
import { faultsOf, ruleOf, type Fault, type Rule } from './rule.js';

/**
 * Turns what arrived into an instance of the route's DTO that holds the declared properties and nothing else, or
 * refuses it with every violation at its place. It converts nothing: what a dialect reads laxly, its mapper reads.
 */
@Injectable()
export class InputPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    if (type === 'custom' || type === 'param') return value;
    const received = value instanceof ReceivedBody ? value.read() : value;
    if (!metatype || metatype === Object) return received;
    const input = received === undefined && isOptionalBody(metatype) ? {} : received;
    if (type === 'body' && (typeof input !== 'object' || input === null || Array.isArray(input))) {
      const rule = input === undefined ? 'body-missing' : 'not-an-object';
      throw new InputInvalid([{ part: 'body', at: [], rule, message: 'The request body must be an object.', value: input }]);
    }
    const refusesOthers = value instanceof ReceivedBody ? value.refusesOthers : isClosed(metatype);
    return toValid(metatype as Type<object>, (input ?? {}) as Record<string, unknown>, type, refusesOthers);
  }
}

const pipe = new InputPipe();

/** The input of a route that has no pipe, read and refused as that of any other. */
export function inputOf<Input extends object>(dto: Type<Input>, part: 'body' | 'query', value: unknown): Input {
  return pipe.transform(value, { type: part, metatype: dto }) as Input;
}

function toValid(dto: Type<object>, input: Record<string, unknown>, part: 'body' | 'query', refusesOthers: boolean): object {
  const instance = new dto() as Record<string, unknown>;
  const rules = rulesOf(dto);
  for (const property of rules.keys()) {
    if (Object.hasOwn(input, property)) instance[property] = input[property];
  }
  const violations = refusesOthers ? undeclared(rules, input, part) : [];
  for (const [property, rule] of rules) {
    const value = instance[property];
    for (const fault of faultsOf(rule, value, instance)) violations.push(toViolation(fault, property, value, part));
  }
  if (violations.length > 0) throw new InputInvalid(violations);
  return instance;
}

type Rules = ReadonlyMap<string, Rule>;
const known = new WeakMap<Type<object>, Rules>();

/** What is declared of a DTO, its own and what it inherits, in that order: dialects report faults in it. */
function rulesOf(dto: Type<object>): Rules {
  let rules = known.get(dto);
  if (!rules) {
    const metadatas = getMetadataStorage().getTargetValidationMetadatas(dto, '', true, false);
    if (metadatas.length === 0) throw new Error(`${dto.name} declares no validated property: nothing of the input would arrive`);
    known.set(dto, (rules = new Map(metadatas.map((metadata) => [metadata.propertyName, ruleOf(metadata)]))));
  }
  return rules;
}

function undeclared(declared: Rules, input: Record<string, unknown>, part: 'body' | 'query'): Violation[] {
  const others = Object.keys(input).filter((property) => !declared.has(property));
  return others.map((property) => ({ part, at: [property], rule: 'unknown', message: 'is not known here' }));
}

function toViolation(fault: Fault, property: string, given: unknown, part: 'body' | 'query'): Violation {
  const value = 'value' in fault ? fault.value : given;
  return { part, at: [property, ...(fault.at ?? [])], rule: fault.rule, message: fault.message, value, context: fault.context };
}
