import { randomFillSync } from 'node:crypto';

export const BASE_62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** Asking the system for little costs as much as for a page. */
const drawn = Buffer.alloc(4096);
let used = drawn.length;

/** So many characters, each drawn evenly from an alphabet of at most 256 ASCII characters by the system's cryptographic generator. */
export function drawText(alphabet: string, length: number): string {
  // Bytes beyond the last whole multiple would favour the first characters.
  const fair = 256 - (256 % alphabet.length);
  const codes: number[] = [];
  while (codes.length < length) {
    const byte = drawByte();
    if (byte < fair) codes.push(alphabet.charCodeAt(byte % alphabet.length));
  }
  return String.fromCharCode(...codes);
}

function drawByte(): number {
  if (used === drawn.length) {
    randomFillSync(drawn);
    used = 0;
  }
  const byte = drawn.readUInt8(used);
  // Nothing stays here of what was drawn.
  drawn[used++] = 0;
  return byte;
}
