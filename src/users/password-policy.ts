import { dictionary } from '@zxcvbn-ts/language-common';
import { InputInvalid } from '../kernel/failure.js';

/** Of the NFC form; NIST SP 800-63B-4 section 3.1.1.2 asks for 15 characters and for no rule on what they are. */
const BYTES_MIN = 15;
export const PASSWORD_BYTES_MAX = 1024;
/** What must be left of a password when everything that is tried first is taken out of it. */
const UNGUESSED_MIN = 5;
/** Patterns longer than this are not what guessing begins with. */
const PATTERN_LENGTH_MAX = 63;
const WORD_MIN = 3;
const SERVICE = 'gatehouse';

const COMMON = new Set(dictionary['passwords-common']);
const ROWS = ['abcdefghijklmnopqrstuvwxyz', '01234567890', 'qwertyuiop', 'asdfghjkl', 'zxcvbnm', 'qwertzuiop', 'yxcvbnm'];
const SEQUENCES = new Set([...ROWS, ...ROWS.map((row) => [...row].reverse().join(''))].flatMap((row) => [...row].slice(3).map((_, start) => row.slice(start, start + 4))));
const LOOKALIKES: Readonly<Record<string, string>> = { '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '@': 'a', '$': 's', '!': 'i' };

/** Whose password it is: words that somebody who knows them tries first. */
export interface PasswordContext {
  readonly email: string;
  /** Of the person, and names and slugs of their organizations. */
  readonly names: readonly string[];
}

/** Refuses what nobody may choose as a password with `InputInvalid`; `at` says where in the input it stands. */
export function requireGoodPassword(password: string, context: PasswordContext, at: readonly string[]): void {
  const fault = faultOfPassword(password, context);
  if (fault) throw new InputInvalid([{ at, rule: 'password', message: fault }]);
}

/** Why nobody may choose this password; null for a good one. Any characters will do, and no mixture of them is asked for. */
export function faultOfPassword(password: string, context: PasswordContext): string | null {
  if (!password.isWellFormed()) return 'must be well-formed text';
  const bytes = Buffer.byteLength(password.normalize('NFC'));
  if (bytes < BYTES_MIN || bytes > PASSWORD_BYTES_MAX) return `must have ${BYTES_MIN} to ${PASSWORD_BYTES_MAX} bytes`;
  const folded = fold(password);
  const plain = [...folded].map((character) => LOOKALIKES[character] ?? character).join('');
  const words = wordsOf(context);
  for (const text of new Set([folded, plain])) {
    if (isCommon(text)) return 'is too common: it is among the passwords that are tried first';
    if (isPattern(text)) return 'is too easy to guess: it is a repetition or a sequence';
    if (isMadeOf(text, words)) return 'is too easy to guess: it is made of names that belong to you, your organization or this service';
  }
  return null;
}

/** Letter case and ways of writing the same character, which a guesser tries all. */
function fold(text: string): string {
  return text.normalize('NFKC').toLowerCase();
}

function bare(text: string): string {
  return text.replace(/[^\p{L}\p{N}]+/gu, '');
}

function lettersOf(text: string): string {
  return text.replace(/\P{L}+/gu, '');
}

/** On the list: as it is, without what stands between letters, or but for digits that are no longer than the word. */
function isCommon(text: string): boolean {
  const compact = bare(text);
  const letters = lettersOf(text);
  return [text, compact].some((form) => COMMON.has(form)) || (letters.length * 2 >= compact.length && COMMON.has(letters));
}

function isPattern(text: string): boolean {
  const compact = bare(text);
  if (compact.length === 0 || compact.length > PATTERN_LENGTH_MAX) return false;
  const unit = repeatedUnit(compact);
  return unit.length < UNGUESSED_MIN || (unit !== compact && isCommon(unit)) || withoutSequences(compact).length < UNGUESSED_MIN;
}

/** The shortest beginning that, said again and again, makes up the text; its last time may be cut short. */
function repeatedUnit(text: string): string {
  for (let length = 1; length * 2 <= text.length; length += 1) {
    const unit = text.slice(0, length);
    if (unit.repeat(Math.ceil(text.length / length)).startsWith(text)) return unit;
  }
  return text;
}

/** Without runs of four or more of one character or of neighbours in the alphabet, in numbers or on a keyboard. */
function withoutSequences(text: string): string {
  const covered = new Set<number>();
  for (let start = 0; start + 4 <= text.length; start += 1) {
    const part = text.slice(start, start + 4);
    if (SEQUENCES.has(part) || part === part.charAt(0).repeat(4)) for (let place = start; place < start + 4; place += 1) covered.add(place);
  }
  return text.split('').filter((_, place) => !covered.has(place)).join('');
}

/** True where little or something common is left without the words and without digits. */
function isMadeOf(text: string, words: readonly string[]): boolean {
  const compact = bare(text);
  const left = words.reduce((rest, word) => rest.replaceAll(word, ' '), compact);
  if (left === compact) return false;
  const letters = lettersOf(left);
  return letters.length < UNGUESSED_MIN || COMMON.has(letters) || withoutSequences(letters).length < UNGUESSED_MIN;
}

/** Longest first: a name goes as a whole before its parts do. */
function wordsOf({ email, names }: PasswordContext): readonly string[] {
  const [local = '', domain = ''] = email.split('@');
  const texts = [SERVICE, local, domain, ...domain.split('.'), ...names].map(fold);
  const words = texts.flatMap((text) => [bare(text), ...text.split(/[^\p{L}\p{N}]+/u)]);
  return [...new Set(words)].filter((word) => word.length >= WORD_MIN).sort((a, b) => b.length - a.length);
}
