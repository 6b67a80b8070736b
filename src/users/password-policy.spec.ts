import { createHash } from 'node:crypto';
import { dictionary } from '@zxcvbn-ts/language-common';
import { describe, expect, it } from 'vitest';
import { InputInvalid } from '../kernel/failure.js';
import { faultOfPassword, requireGoodPassword } from './password-policy.js';

const ADA = { email: 'ada.lovelace@engines.example', names: ['Ada Lovelace', 'Analytical Engines', 'analytical-engines'] };
const faultOf = (password: string): string | null => faultOfPassword(password, ADA);

describe('a password that is chosen', () => {
  it.each([
    ['words', 'correct horse battery staple'],
    ['lower case only', 'wanderingbicycle'],
    ['digits only', '839201748392517'],
    ['emoji only', '🐢🚲🌧️🥐🎷'],
    ['letters of another script', 'незнакомыйпароль'],
    ['spaces around it', '  kettle drum  '],
    ['control characters', 'kettle\u0000\tdrums\n\u001b!'],
    ['a common word among others', 'monkey kettle drum'],
    ['the own name among others', 'ada kettle drums'],
    ['64 of the same', 'x'.repeat(64)],
  ])('may be of any characters: %s', (_, password) => {
    expect(faultOf(password)).toBeNull();
  });

  it('may be what a generator draws', () => {
    for (let count = 0; count < 500; count += 1) expect(faultOf(createHash('sha256').update(String(count)).digest('base64url').slice(0, 16))).toBeNull();
  });

  it.each([0, 1, 7, 14])('is refused with %i bytes', (length) => {
    expect(faultOf('kettledrumwander'.slice(0, length))).toBe('must have 15 to 1024 bytes');
  });

  it('has 15 to 1,024 bytes in the normal form that counts', () => {
    expect(faultOf('kettledrumwande')).toBeNull();
    const most = 'kettle drum wander '.repeat(54).slice(0, 1024);
    expect([faultOf(most), faultOf(`${most}x`)]).toEqual([null, 'must have 15 to 1024 bytes']);
    // 512 letters of 2 bytes, written with 3 bytes each in the other form.
    const accented = 'éàüöñ'.repeat(103).slice(0, 512).normalize('NFD');
    expect([Buffer.byteLength(accented), faultOf(accented)]).toEqual([1536, null]);
  });

  it('is refused where bytes would stand for more than one text', () => {
    expect(faultOf('kettle drum wander \ud800')).toBe('must be well-formed text');
  });

  it('is refused when it is on the list of common ones, in whatever case and form', () => {
    const long = dictionary['passwords-common'].filter((password) => password.length >= 15);
    expect(long.length).toBeGreaterThan(30);
    for (const password of long) for (const form of [password, password.toUpperCase()]) expect([form, faultOf(form) !== null]).toEqual([form, true]);
    expect(faultOf('ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ')).toMatch(/too common/);
  });

  it.each(['password2026!!!', '2026 password !!', 'P@ssw0rd!!!!!!!', 'Superman1234567', 'i-l-o-v-e-y-o-u', '..iloveyou2....'])('is refused when it dresses up a common one: %s', (password) => {
    expect(faultOf(password)).toMatch(/too common|too easy/);
  });

  it.each([
    'aaaaaaaaaaaaaaa',
    '111111111111111',
    'abcabcabcabcabc',
    'ab12ab12ab12ab12',
    'monkeymonkeymonkey',
    'abcdefghijklmnop',
    'ABCDEFGH87654321',
    '123456789012345',
    'qwertyuiopasdfgh',
    'aaaabbbbccccddddx',
  ])('is refused as a pattern: %s', (password) => {
    expect(faultOf(password)).toMatch(/too easy|too common/);
  });

  it.each([
    'ada.lovelace2026',
    'Lovelace-1815-1852',
    'AnalyticalEngines',
    'analytical-engines2026',
    'engines.example.2026',
    'gatehouse gatehouse',
    'Gatehouse2026!!!',
    'gatehouse-password',
    'gatehouse-admin-123',
    'adalovelacexyz1',
    'G4tehous3-4d4-2026',
  ])('is refused when it is made of known names: %s', (password) => {
    expect(faultOf(password)).toMatch(/too easy|too common/);
  });

  it('is refused by where it stands in the input, and is not repeated', () => {
    const choose = (): void => requireGoodPassword('passwordpassword', ADA, ['admin', 'password']);
    expect(choose).toThrow(InputInvalid);
    try {
      choose();
    } catch (error) {
      expect((error as InputInvalid).details.violations).toEqual([{ at: ['admin', 'password'], rule: 'password', message: expect.not.stringContaining('passwordpassword') }]);
    }
  });

  it('is judged in no time, however it is made', () => {
    const started = performance.now();
    for (const unit of ['a', 'ab', 'abcd', 'ada', 'gatehouse', '\u0344']) faultOf(unit.repeat(1024).slice(0, 1024));
    expect(performance.now() - started).toBeLessThan(500);
  });
});
