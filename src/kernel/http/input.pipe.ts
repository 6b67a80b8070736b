import { Injectable, type ArgumentMetadata, type PipeTransform, type Type } from '@nestjs/common';
import { getMetadataStorage, validateSync, type ValidationError } from 'class-validator';
import { InputInvalid, type Violation } from '../failure.js';
import { isClosed } from './nothing-else.js';
import { isOptionalBody } from './optional-body.js';
import { ReceivedBody } from './received-body.js';
import { faultsOf, type Rule } from './rule.js';

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
  for (const property of declaredProperties(dto)) {
    if (Object.hasOwn(input, property)) instance[property] = input[property];
  }
  const violations = [
    ...(refusesOthers ? undeclared(dto, input, part) : []),
    ...validateSync(instance, { forbidUnknownValues: true }).flatMap((error) => toViolations(error, instance, part)),
  ];
  if (violations.length > 0) throw new InputInvalid(violations);
  return instance;
}

const properties = new WeakMap<Type<object>, readonly string[]>();

/** Properties in the order they are declared in: dialects report faults in that order. */
function declaredProperties(dto: Type<object>): readonly string[] {
  const known = properties.get(dto);
  if (known) return known;
  const metadatas = getMetadataStorage().getTargetValidationMetadatas(dto, '', true, false);
  const names = [...new Set(metadatas.map(({ propertyName }) => propertyName))];
  if (names.length === 0) throw new Error(`${dto.name} declares no validated property: nothing of the input would arrive`);
  properties.set(dto, names);
  return names;
}

function undeclared(dto: Type<object>, input: Record<string, unknown>, part: 'body' | 'query'): Violation[] {
  const declared = declaredProperties(dto);
  const others = Object.keys(input).filter((property) => !declared.includes(property));
  return others.map((property) => ({ part, at: [property], rule: 'unknown', message: 'is not known here' }));
}

function toViolations(error: ValidationError, body: object, part: 'body' | 'query'): Violation[] {
  const rule = (error.contexts?.['satisfies'] as { rule?: Rule } | undefined)?.rule;
  if (rule) {
    return faultsOf(rule, error.value, body).map((fault) => ({
      part,
      at: [error.property, ...(fault.at ?? [])],
      rule: fault.rule,
      message: fault.message,
      value: 'value' in fault ? fault.value : (error.value as unknown),
      context: fault.context,
    }));
  }
  return Object.entries(error.constraints ?? {}).map(([name, message]) => ({ part, at: [error.property], rule: name, message, value: error.value as unknown }));
}
