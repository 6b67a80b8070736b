import { registerDecorator, type ValidationArguments } from 'class-validator';

/** What a rule found wrong; `at` leads into the value where the fault lies deeper. */
export interface Fault {
  readonly rule: string;
  readonly message: string;
  readonly at?: readonly (string | number)[];
  readonly value?: unknown;
  readonly context?: Readonly<Record<string, unknown>>;
}

/** Judges one property of a request; `undefined` is judged too, so a rule says itself whether absence is a fault. */
export type Rule = (value: unknown, body: Readonly<Record<string, unknown>>) => readonly Fault[] | Fault | null;

/** Validates a property in a dialect's own words, through class-validator. */
export function Satisfies(rule: Rule): PropertyDecorator {
  return (target, property) => {
    registerDecorator({
      name: 'satisfies',
      target: target.constructor,
      propertyName: String(property),
      validator: {
        validate: (value: unknown, details?: ValidationArguments) => faultsOf(rule, value, details?.object).length === 0,
        defaultMessage: () => 'is invalid',
      },
      options: { context: { rule } },
    });
  };
}

/** The rule that `Satisfies` has put there. */
export function ruleOf({ context }: { readonly context?: unknown }): Rule {
  return (context as { readonly rule: Rule }).rule;
}

export function faultsOf(rule: Rule, value: unknown, body: object | undefined): readonly Fault[] {
  const found = rule(value, (body ?? {}) as Record<string, unknown>);
  if (found === null) return [];
  return Array.isArray(found) ? (found as readonly Fault[]) : [found as Fault];
}
