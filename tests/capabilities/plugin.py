"""Tries each capability, as the request's path asks for."""

from sluice import CONTINUE, Plugin, export
from sluice import clock, crypto, kv, limiter, log, metrics, random
from sluice.http_client import Outgoing, send, send_all

# RFC 8032, section 7.1, test 2.
KEY = bytes.fromhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c")
SIGNATURE = bytes.fromhex(
    "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00"
)


def works(attempt, *arguments, **labels):
    try:
        attempt(*arguments, **labels)
        return True
    except Exception:
        return False


def try_log():
    log.info("a line")
    return ["logged"]


def try_clock():
    before = clock.monotonic()
    return [clock.now() > 1.6e9, clock.monotonic() >= before]


def try_random():
    a, b = random.token_bytes(16), random.token_bytes(16)
    return [len(a), len(b), a == b]


def try_kv():
    kv.delete("value")
    kv.delete("count")
    none = kv.get("value")
    kv.set("value", b"v1", 60000)
    counted = [kv.increment("count", 2), kv.increment("count", 3)]
    return ["none" if none is None else none, kv.get("value").decode(), *counted, kv.delete("count"), kv.delete("count")]


def try_kv_failure():
    kv.set("text", b"abc")
    return ["counted" if works(kv.increment, "text") else "failed", kv.get("text").decode()]


def try_limiter():
    return [limiter.take("a", 2, 3600000).admitted for _ in range(3)]


def try_metrics():
    return [
        works(metrics.add, "seen", 2, kind="a"),
        works(metrics.set, "level", 0.5),
        works(metrics.observe, "size", 7.0),
        works(metrics.add, "no name"),
    ]


def try_send():
    answer = send(Outgoing("users", "/new?a=b", "POST", {"X-A": "1"}, "body", 1000))
    return [answer.status, answer.headers["x-made"], answer.text()]


def try_batch():
    one, two, slow, other = send_all(
        [Outgoing("users", "/1"), Outgoing("users", "/2"), Outgoing("slow", "/"), Outgoing("other", "/")]
    )
    return [one.status, two.status, two.text(), slow.error, other.error]


def try_crypto():
    code = crypto.hmac("sha256", b"key", b"The quick brown fox jumps over the lazy dog")
    return [
        crypto.digest("sha256", b"abc").hex()[:8],
        code.hex()[:8],
        crypto.equal(b"a", b"a"),
        crypto.equal(b"a", b"b"),
        crypto.verify_point("eddsa", KEY, b"\x72", SIGNATURE),
        crypto.verify_point("eddsa", KEY, b"\x73", SIGNATURE),
    ]


TRIES = {
    "/log": try_log,
    "/clock": try_clock,
    "/random": try_random,
    "/kv": try_kv,
    "/kv-failure": try_kv_failure,
    "/limiter": try_limiter,
    "/metrics": try_metrics,
    "/send": try_send,
    "/batch": try_batch,
    "/crypto": try_crypto,
}


class Tries(Plugin):
    def on_request(self, request, exchange):
        seen = TRIES[request.path]()
        request.set_header("x-seen", " ".join(str(each).lower() if isinstance(each, bool) else str(each) for each in seen))
        return CONTINUE

    def on_response(self, request, response, exchange):
        return CONTINUE


export(Tries())
