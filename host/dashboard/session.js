// Talking to the gateway. The token, where one is needed, is kept for this tab alone and never put into an address.

const KEY = 'sluice-token';

let token = sessionStorage.getItem(KEY) ?? '';

export function setToken(text) {
  token = text;
  if (text) sessionStorage.setItem(KEY, text);
  else sessionStorage.removeItem(KEY);
}

export const hasToken = () => token !== '';

function headers(more) {
  return token ? { ...more, Authorization: `Bearer ${token}` } : more;
}

/** Ask for a change. Resolves to the answer, or fails with what the gateway says is wrong. */
export async function change(method, path, body) {
  const options = { method, headers: headers(body ? { 'Content-Type': 'application/json' } : {}) };
  if (body) options.body = JSON.stringify(body);
  const answer = await fetch(path, options);
  const value = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(value.detail ?? `the gateway answered ${answer.status}`);
  return value;
}

/** Why the stream of events can't be had: the token is missing or wrong. */
export class Unauthorized extends Error {}

/** The gateway lets nobody in who shows what this page can show: its words say what is wanted. */
export class Forbidden extends Error {}

/** Read events until the stream ends. `EventSource` can't send a token, so the stream is taken apart here. */
export async function read(onEvent, signal) {
  const answer = await fetch('api/v1/events', { headers: headers({ Accept: 'text/event-stream' }), signal });
  if (answer.status === 401) throw new Unauthorized();
  if (answer.status === 403) throw new Forbidden((await answer.json().catch(() => ({}))).detail ?? 'not allowed');
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    const events = text.split('\n\n');
    text = events.pop();
    for (const event of events) {
      const name = /^event: (.*)$/m.exec(event)?.[1];
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (name && data) onEvent(name, JSON.parse(data));
    }
  }
}
