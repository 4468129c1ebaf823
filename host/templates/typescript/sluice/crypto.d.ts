export type Digest = "sha1" | "sha256" | "sha384" | "sha512";
export type Signature =
  | "rs256" | "rs384" | "rs512" | "ps256" | "ps384" | "ps512" | "es256" | "es384" | "es512" | "eddsa";
export type PublicKey =
  | { tag: "rsa"; val: { modulus: Uint8Array; exponent: Uint8Array } }
  | { tag: "point"; val: Uint8Array }
  | { tag: "spki"; val: Uint8Array };
export declare function verify(
  algorithm: Signature,
  key: PublicKey,
  message: string | Uint8Array,
  signature: Uint8Array,
): boolean;
export declare function hmac(algorithm: Digest, key: string | Uint8Array, message: string | Uint8Array): Uint8Array;
export declare function digest(algorithm: Digest, message: string | Uint8Array): Uint8Array;
export declare function equal(a: string | Uint8Array, b: string | Uint8Array): boolean;
