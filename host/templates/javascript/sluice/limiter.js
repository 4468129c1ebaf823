// Rate limits that are exact, on one machine and on a fleet. Grant: limiter.

import limiter from "sluice:plugin/limiter@0.1.0";
import { admitted, rejected } from "./index.js";

/** Take `cost` tokens of `key`, whose limit is `{ rate, periodMs, burst }`. */
export const take = (key, limit, cost = 1) => limiter.take(key, { burst: limit.rate, ...limit }, cost);

/** The verdict about one request of `key`, under the name of a policy. */
export function limit(policy, key, limit, cost = 1) {
  const { admitted: fits, remaining, resetMs, retryAfterMs } = take(key, limit, cost);
  const quota = { policy, limit: limit.rate, windowMs: limit.periodMs, remaining, resetMs, retryAfterMs };
  return fits ? admitted(quota) : rejected(quota);
}
