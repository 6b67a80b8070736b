/** A line that the next one takes the place of, for a person who waits; null clears it. */
export function showProgress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text === null ? '' : `  ${text}`}`);
}
