import { fault, notUnicode, type PydanticType } from './pydantic.js';

const HYPHENATED = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;
const HYPHENATED_LENGTH = 36;
const GROUP_LENGTHS = [8, 4, 4, 4];
const LAST_GROUP = { start: 24, length: 12 };

/** A UUID with dashes, without them, in braces or behind `urn:uuid:`; the value is lower case with dashes. */
export const uuid: PydanticType<string> = (input) => {
  if (typeof input !== 'string') return fault('uuid_type', 'UUID input should be a string, bytes or UUID object', input);
  if (!input.isWellFormed()) return notUnicode(input);
  const { digits, offset } = unwrap(input);
  const hyphenated = offset === 0 ? digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/s, '$1-$2-$3-$4-$5') : digits;
  if (HYPHENATED.test(hyphenated)) return { value: hyphenated.toLowerCase() };
  const error = faultIn(input, digits, offset);
  return fault('uuid_parsing', `Input should be a valid UUID, ${error}`, input, { error });
};

/** What stands within the braces or behind the prefix; and from where on Pydantic counts its places. */
function unwrap(text: string): { digits: string; offset: number } {
  const [, before, digits] = /^(\{)(.*)\}$/s.exec(text) ?? /^(urn:uuid:)(.*)$/s.exec(text) ?? [];
  if (before === undefined || digits === undefined) return { digits: text, offset: 0 };
  return { digits, offset: Buffer.byteLength(digits) === HYPHENATED_LENGTH ? 0 : before.length };
}

function faultIn(text: string, digits: string, offset: number): string {
  const strange = /[^0-9a-f-]/iu.exec(digits);
  if (strange) return `invalid character: found \`${strange[0]}\` at ${offset + strange.index + 1}`;
  const groups = digits.split('-');
  if (groups.length === 1 && offset === 0) return `invalid length: expected length 32 for simple format, found ${digits.length}`;
  if (groups.length !== 5) return `invalid group count: expected 5, found ${groups.length}`;
  const group = GROUP_LENGTHS.findIndex((length, index) => groups[index]?.length !== length);
  // Of the last group Pydantic counts everything up to the end of the text, brace and prefix too.
  return group === -1
    ? `invalid group length in group 4: expected ${LAST_GROUP.length}, found ${text.length - LAST_GROUP.start}`
    : `invalid group length in group ${group}: expected ${GROUP_LENGTHS[group]}, found ${groups[group]?.length}`;
}
