// Time. Grant: clock. (`Date.now()` isn't to be had.)

import clock from "sluice:plugin/clock@0.1.0";

/** Milliseconds since 1970. */
export const now = () => Math.floor(Number(clock.now()) / 1e6);

/** Milliseconds since some moment; never goes back. */
export const monotonic = () => Number(clock.monotonic()) / 1e6;
