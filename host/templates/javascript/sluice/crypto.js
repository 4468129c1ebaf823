// Signatures, message authentication codes and digests, at native speed. Grant: crypto.

import crypto from "sluice:plugin/crypto@0.1.0";
import { encode } from "./index.js";

const bytes = (value) => (typeof value === "string" ? encode(value) : value);

/** Whether a signature is good. Algorithms: `rs256`, … `eddsa`; keys: `{ tag: "rsa" | "point" | "spki", val }`. */
export const verify = (algorithm, key, message, signature) => crypto.verify(algorithm, key, bytes(message), signature);

/** A message authentication code; `sha256`, `sha384`, `sha512` or `sha1`. */
export const hmac = (algorithm, key, message) => crypto.hmac(algorithm, bytes(key), bytes(message));

/** A digest. */
export const digest = (algorithm, message) => crypto.digest(algorithm, bytes(message));

/** Whether both are the same bytes, in a time that depends on their lengths alone. */
export const equal = (a, b) => crypto.equal(bytes(a), bytes(b));
