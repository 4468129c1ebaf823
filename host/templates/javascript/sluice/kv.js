// Small values kept by the gateway, shared by all instances of this plugin. Grant: kv.

import kv from "sluice:plugin/kv@0.1.0";
import { decode, encode } from "./index.js";

/** A value as text, or null. */
export function get(key) {
  const value = kv.get(key);
  return value === null || value === undefined ? null : decode(value);
}

/** Keep a text, for `ttlMs` milliseconds if given. */
export const set = (key, value, ttlMs = null) => kv.set(key, encode(value), ttlMs);

/** Whether there was something to remove. */
export const remove = (key) => kv.delete(key);

/** Add to a counter in one step and return the sum. */
export const increment = (key, by = 1, ttlMs = null) => Number(kv.increment(key, by, ttlMs));
