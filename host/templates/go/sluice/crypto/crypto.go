// Package crypto has signatures, codes and digests at native speed. Grant: crypto.
package crypto

import (
	"errors"

	raw "local/{{NAME}}/build/bindings/sluice_plugin_crypto"
	wit_types "local/{{NAME}}/sluice/wit/types"
)

// Algorithms of digests and codes.
const (
	SHA1   = raw.DigestAlgorithmSha1
	SHA256 = raw.DigestAlgorithmSha256
	SHA384 = raw.DigestAlgorithmSha384
	SHA512 = raw.DigestAlgorithmSha512
)

// Algorithms of signatures, by their names in RFC 7518 and RFC 8037.
const (
	RS256 = raw.SignatureAlgorithmRs256
	RS384 = raw.SignatureAlgorithmRs384
	RS512 = raw.SignatureAlgorithmRs512
	PS256 = raw.SignatureAlgorithmPs256
	PS384 = raw.SignatureAlgorithmPs384
	PS512 = raw.SignatureAlgorithmPs512
	ES256 = raw.SignatureAlgorithmEs256
	ES384 = raw.SignatureAlgorithmEs384
	ES512 = raw.SignatureAlgorithmEs512
	EdDSA = raw.SignatureAlgorithmEddsa
)

// Key is a public key.
type Key = raw.PublicKey

// SPKI is a key as a SubjectPublicKeyInfo in DER.
func SPKI(der []byte) Key { return raw.MakePublicKeySpki(der) }

// RSA is a key by its numbers, big-endian.
func RSA(modulus, exponent []byte) Key {
	return raw.MakePublicKeyRsa(raw.RsaKey{Modulus: modulus, Exponent: exponent})
}

// Point is a point of an elliptic curve (the byte 4 and both coordinates), or an Ed25519 key.
func Point(point []byte) Key { return raw.MakePublicKeyPoint(point) }

// Verify says whether the signature is good.
func Verify(algorithm raw.SignatureAlgorithm, key Key, message, signature []byte) (bool, error) {
	return done(raw.Verify(algorithm, key, message, signature))
}

// HMAC is the message authentication code of RFC 2104.
func HMAC(algorithm raw.DigestAlgorithm, key, message []byte) ([]byte, error) {
	return done(raw.Hmac(algorithm, key, message))
}

// Digest is the digest of up to 1 MiB.
func Digest(algorithm raw.DigestAlgorithm, message []byte) ([]byte, error) {
	return done(raw.Digest(algorithm, message))
}

// Equal takes a time that depends on the lengths alone.
func Equal(a, b []byte) bool { return raw.Equal(a, b) }

func done[T any](result wit_types.Result[T, string]) (T, error) {
	if result.IsErr() {
		return result.Ok(), errors.New(result.Err())
	}
	return result.Ok(), nil
}
