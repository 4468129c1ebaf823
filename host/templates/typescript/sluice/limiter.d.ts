import type { Verdict } from "./index.js";

export interface Limit {
  rate: number;
  periodMs: number;
  /** As many as `rate` if it isn't given. */
  burst?: number;
}
export interface Outcome {
  admitted: boolean;
  remaining: number;
  resetMs: number;
  retryAfterMs: number;
}
export declare function take(key: string, limit: Limit, cost?: number): Outcome;
export declare function limit(policy: string, key: string, limit: Limit, cost?: number): Verdict;
