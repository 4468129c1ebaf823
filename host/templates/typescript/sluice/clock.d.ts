/** Milliseconds since 1970. */
export declare function now(): number;
/** Milliseconds since some moment; never goes back. */
export declare function monotonic(): number;
