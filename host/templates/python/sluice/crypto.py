"""Signatures, message authentication codes and digests, at native speed. Grant: crypto."""

from wit_world.imports import crypto as _crypto


def verify_rsa(algorithm: str, modulus: bytes, exponent: bytes, message: bytes, signature: bytes) -> bool:
    """Whether a signature is good; algorithms: rs256, rs384, rs512, ps256, ps384, ps512."""
    key = _crypto.PublicKey_Rsa(_crypto.RsaKey(modulus, exponent))
    return _crypto.verify(_crypto.SignatureAlgorithm[algorithm.upper()], key, message, signature)


def verify_point(algorithm: str, point: bytes, message: bytes, signature: bytes) -> bool:
    """The same for es256, es384, es512 and eddsa."""
    return _crypto.verify(
        _crypto.SignatureAlgorithm[algorithm.upper()], _crypto.PublicKey_Point(point), message, signature
    )


def verify_spki(algorithm: str, der: bytes, message: bytes, signature: bytes) -> bool:
    """The same for a key of any kind, as the inside of a `PUBLIC KEY` in PEM."""
    return _crypto.verify(
        _crypto.SignatureAlgorithm[algorithm.upper()], _crypto.PublicKey_Spki(der), message, signature
    )


def hmac(algorithm: str, key: bytes, message: bytes) -> bytes:
    """A message authentication code; algorithms: sha256, sha384, sha512, sha1."""
    return _crypto.hmac(_crypto.DigestAlgorithm[algorithm.upper()], key, message)


def digest(algorithm: str, message: bytes) -> bytes:
    return _crypto.digest(_crypto.DigestAlgorithm[algorithm.upper()], message)


def equal(a: bytes, b: bytes) -> bool:
    """Whether both are the same bytes, in a time that depends on their lengths alone."""
    return _crypto.equal(a, b)
