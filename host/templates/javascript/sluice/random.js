// Randomness that nobody can foresee. Grant: random. (`Math.random()` is the same in every instance.)

import random_ from "sluice:plugin/random@0.1.0";

/** Up to 4096 random bytes. */
export const bytes = (length) => random_.bytes(length);

/** A number from 0 up to, not including, 1. */
export function random() {
  const [a, b, c, d, e, f] = random_.bytes(6);
  return (((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f) / 2 ** 48;
}
