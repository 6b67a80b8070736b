/** What a page asks for, and where it sends it. */
export interface Page {
  readonly title: string;
  /** A route of ours that takes `{token, password}`, and `name` where it is asked for. */
  readonly action: string;
  readonly asksForName: boolean;
  readonly hint: string;
  readonly done: string;
}

/** The page without its secret: that stands behind the # and never comes here. Addresses are relative: PUBLIC_URL may have a path. */
export function renderPage({ title, action, asksForName, hint, done }: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>${title} · Gatehouse</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 10vh auto; padding: 0 1rem; color-scheme: light dark }
label, input, button { display: block; width: 100%; box-sizing: border-box; font: inherit }
input, button { padding: .5rem; margin: .25rem 0 1rem }
</style>
</head>
<body>
<main>
<h1>${title}</h1>
<p>${hint}</p>
<form action="${action}" data-done="${done}" hidden>
${asksForName ? '<label>Name <input name="name" autocomplete="name" maxlength="255" required></label>\n' : ''}<label>Password <input name="password" type="password" autocomplete="${asksForName ? 'current-password' : 'new-password'}" required></label>
<button>${title}</button>
</form>
<p role="status"></p>
<noscript>This page needs JavaScript. Without it, send your token to <code>POST ${action}</code>.</noscript>
</main>
<script src="password-pages.js" defer></script>
</body>
</html>
`;
}

/** Sends the form as JSON with the secret of the link, and says in words what came of it. */
export const PAGE_SCRIPT = `'use strict';
const form = document.querySelector('form');
const status = document.querySelector('[role=status]');
const token = location.hash.slice(1);
// Out of the address bar and the history.
history.replaceState(null, '', location.pathname);
if (token) form.hidden = false;
else status.textContent = 'This link is not whole: copy all of it, to its last character.';
form.addEventListener('submit', async (event) => {
  event.preventDefault();
  status.textContent = '…';
  try {
    const answer = await fetch(form.getAttribute('action'), {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ token, ...Object.fromEntries(new FormData(form)) }),
    });
    if (answer.ok) {
      form.hidden = true;
      status.textContent = form.dataset.done;
      return;
    }
    const { detail, errors = [] } = await answer.json();
    status.textContent = errors.length > 0 ? errors.map(({ path, message }) => path + ' ' + message + '.').join(' ') : detail;
  } catch {
    status.textContent = 'The service does not answer. Try again.';
  }
});
`;
