/* Capabilities. Using one imports it; it has to be granted then. */
#ifndef SLUICE_CAPABILITIES_H
#define SLUICE_CAPABILITIES_H

#include "sluice.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Grant: clock ------------------------------------------------------------------------------------------------- */

/* Nanoseconds since the Unix epoch. */
uint64_t sluice_now(void);
/* Nanoseconds since some fixed moment; never goes back. */
uint64_t sluice_monotonic(void);

/* --- Grant: random ------------------------------------------------------------------------------------------------ */

/* At most 4096 bytes that nobody can foresee. */
sluice_bytes sluice_random(uint32_t size);

/* --- Grant: kv. A failure makes the hook fail; see sluice_forgive. ------------------------------------------------ */

/* `data` is NULL if there is no such key. */
sluice_bytes sluice_kv_get(const char *key);
/* `ttl_ms` 0: it stays. */
bool sluice_kv_set(const char *key, sluice_bytes value, uint64_t ttl_ms);
/* Whether there was something to delete. */
bool sluice_kv_delete(const char *key);
/* The sum. */
int64_t sluice_kv_increment(const char *key, int64_t by, uint64_t ttl_ms);

/* --- Grant: limiter ----------------------------------------------------------------------------------------------- */

typedef struct {
  bool admitted;
  uint64_t remaining;
  uint64_t reset_ms;
  uint64_t retry_after_ms;
} sluice_outcome;

/* Take `cost` tokens of `key`, of which there are `rate` in each `period_ms` and at most `burst` at once. */
sluice_outcome sluice_take(const char *key, uint64_t rate, uint64_t period_ms, uint64_t burst, uint64_t cost);
/* One token of `key`, as the decision of on_check. */
sluice_decision sluice_limit(const char *policy, const char *key, uint64_t rate, uint64_t period_ms);

/* --- Grant: http-client ------------------------------------------------------------------------------------------- */

/* `method` NULL is GET; `timeout_ms` 0: the cluster's own. */
typedef struct {
  const char *cluster;
  const char *method;
  /* Path and query. */
  const char *target;
  sluice_fields headers;
  sluice_bytes body;
  uint32_t timeout_ms;
} sluice_outgoing;

/* Without an answer `status` is 0 and `error` says why; else `error` is NULL. */
typedef struct {
  int status;
  sluice_fields headers;
  sluice_bytes body;
  const char *error;
} sluice_incoming;

/* All at once, in parallel; the answers are in the order of the requests. */
const sluice_incoming *sluice_send_all(const sluice_outgoing *requests, size_t count);
sluice_incoming sluice_send(sluice_outgoing request);
/* Whether the status is 200 to 299. */
bool sluice_is_success(const sluice_incoming *answer);

/* --- Grant: metrics. False: refused, and the log says why. -------------------------------------------------------- */

typedef struct {
  const char *name;
  const char *value;
} sluice_label;

bool sluice_metrics_add(const char *name, const sluice_label *labels, size_t count, uint64_t by);
bool sluice_metrics_set(const char *name, const sluice_label *labels, size_t count, double value);
bool sluice_metrics_observe(const char *name, const sluice_label *labels, size_t count, double value);

/* --- Grant: crypto. A failure makes the hook fail. ---------------------------------------------------------------- */

typedef enum { SLUICE_SHA1, SLUICE_SHA256, SLUICE_SHA384, SLUICE_SHA512 } sluice_digest_algorithm;
typedef enum {
  SLUICE_RS256, SLUICE_RS384, SLUICE_RS512, SLUICE_PS256, SLUICE_PS384, SLUICE_PS512,
  SLUICE_ES256, SLUICE_ES384, SLUICE_ES512, SLUICE_EDDSA
} sluice_signature_algorithm;

/* Whether the signature is good. `key` is a SubjectPublicKeyInfo in DER: the inside of a `PUBLIC KEY` in PEM. */
bool sluice_verify(sluice_signature_algorithm algorithm, sluice_bytes key, sluice_bytes message, sluice_bytes signature);
/* The same with an RSA key's numbers, or with a point of a curve or an Ed25519 key. */
bool sluice_verify_rsa(sluice_signature_algorithm algorithm, sluice_bytes modulus, sluice_bytes exponent,
                       sluice_bytes message, sluice_bytes signature);
bool sluice_verify_point(sluice_signature_algorithm algorithm, sluice_bytes point, sluice_bytes message,
                         sluice_bytes signature);
sluice_bytes sluice_hmac(sluice_digest_algorithm algorithm, sluice_bytes key, sluice_bytes message);
sluice_bytes sluice_digest(sluice_digest_algorithm algorithm, sluice_bytes message);
/* The time that it takes depends on the lengths alone. */
bool sluice_equal(sluice_bytes a, sluice_bytes b);

#ifdef __cplusplus
}
#endif

#endif
