// What the page knows, kept up by the stream of events. Views read it and are told when it changes.

import { Forbidden, Unauthorized, hasToken, read, setToken } from './session.js';

/** Numbers kept for rates: the last half minute. */
const WINDOW = 31;
/** Points of the charts. */
const POINTS = 300;
const MOST_LISTED = 200;

export const state = {
  /** connecting, live, lost, locked, forbidden */
  connection: 'connecting',
  /** Why it is forbidden. */
  refused: null,
  config: null,
  /** Of the last seconds, the oldest first. */
  numbers: [],
  bounds: [],
  points: [],
  /** The newest first. */
  refusals: [],
  reloads: [],
  message: null,
};

const listeners = new Set();

export function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

export function update(patch) {
  Object.assign(state, patch);
  listeners.forEach((listener) => listener());
}

/** Say what came of an action. */
export function say(text, bad = false) {
  update({ message: { text, bad, at: Date.now() } });
}

/** The last numbers, and those of up to `seconds` before, with the time between. */
export function span(seconds) {
  const now = state.numbers.at(-1);
  if (!now) return { now: null, before: null, seconds: 0 };
  const before = state.numbers.find((numbers) => now.at - numbers.at <= seconds * 1000 + 200) ?? now;
  return { now, before, seconds: (now.at - before.at) / 1000 };
}

const handlers = {
  history({ bounds, points }) {
    // A new stream: what was known may be of another life of the gateway.
    update({ bounds, points, numbers: [], refusals: [], reloads: [], connection: 'live' });
  },
  config(config) {
    update({ config });
  },
  numbers(numbers) {
    const last = state.points.at(-1);
    let points = state.points;
    if (!last || numbers.at - last.at >= 1900) {
      points = [...points, { at: numbers.at, classes: numbers.total.classes, buckets: numbers.total.buckets }];
    }
    update({ numbers: [...state.numbers, numbers].slice(-WINDOW), points: points.slice(-POINTS) });
  },
  refusals({ refusals }) {
    update({ refusals: [...refusals.reverse(), ...state.refusals].slice(0, MOST_LISTED) });
  },
  reloads({ reloads }) {
    update({ reloads: [...reloads.reverse(), ...state.reloads].slice(0, MOST_LISTED) });
  },
};

let unlock = null;

/** Try again with this token. */
export function useToken(text) {
  setToken(text);
  unlock?.();
}

/** Read the stream, for ever. */
export async function run() {
  for (;;) {
    try {
      await read((name, data) => handlers[name]?.(data));
      update({ connection: 'lost' });
    } catch (error) {
      if (error instanceof Unauthorized) {
        if (hasToken()) say('The gateway doesn’t take this token', true);
        setToken('');
        update({ connection: 'locked' });
        await new Promise((resolve) => { unlock = resolve; });
        continue;
      }
      if (error instanceof Forbidden) update({ connection: 'forbidden', refused: error.message });
      else update({ connection: 'lost' });
    }
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
}
