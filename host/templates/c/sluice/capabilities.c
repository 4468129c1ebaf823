/* Capabilities. What isn't used isn't imported. */
#include "internal.h"

uint64_t sluice_now(void) { return sluice_plugin_clock_now(); }

uint64_t sluice_monotonic(void) { return sluice_plugin_clock_monotonic(); }

sluice_bytes sluice_random(uint32_t size) {
  contract_list_u8_t bytes;
  sluice_plugin_random_bytes(size, &bytes);
  return sluice_to_bytes(bytes);
}

static bool kept(bool done, const sluice_plugin_kv_kv_error_t *error) {
  if (done) return true;
  switch (error->tag) {
    case SLUICE_PLUGIN_KV_KV_ERROR_TOO_LARGE: sluice_fail(sluice_from_string(error->val.too_large)); break;
    case SLUICE_PLUGIN_KV_KV_ERROR_NOT_A_COUNTER: sluice_fail("the value isn't a counter"); break;
    default: sluice_fail("the store can't be reached");
  }
  return false;
}

sluice_bytes sluice_kv_get(const char *key) {
  contract_string_t name = sluice_to_string(key);
  contract_option_list_u8_t value;
  sluice_plugin_kv_kv_error_t error;
  bool found = kept(sluice_plugin_kv_get(&name, &value, &error), &error) && value.is_some;
  return found ? sluice_to_bytes(value.val) : (sluice_bytes){NULL, 0};
}

bool sluice_kv_set(const char *key, sluice_bytes value, uint64_t ttl_ms) {
  contract_string_t name = sluice_to_string(key);
  contract_list_u8_t bytes = sluice_to_list(value);
  sluice_plugin_kv_kv_error_t error;
  return kept(sluice_plugin_kv_set(&name, &bytes, ttl_ms ? &ttl_ms : NULL, &error), &error);
}

bool sluice_kv_delete(const char *key) {
  contract_string_t name = sluice_to_string(key);
  sluice_plugin_kv_kv_error_t error;
  bool there = false;
  return kept(sluice_plugin_kv_delete(&name, &there, &error), &error) && there;
}

int64_t sluice_kv_increment(const char *key, int64_t by, uint64_t ttl_ms) {
  contract_string_t name = sluice_to_string(key);
  sluice_plugin_kv_kv_error_t error;
  int64_t sum = 0;
  kept(sluice_plugin_kv_increment(&name, by, ttl_ms ? &ttl_ms : NULL, &sum, &error), &error);
  return sum;
}

sluice_outcome sluice_take(const char *key, uint64_t rate, uint64_t period_ms, uint64_t burst, uint64_t cost) {
  contract_string_t name = sluice_to_string(key), error;
  sluice_plugin_limiter_limit_t limit = {.rate = rate, .period_ms = period_ms, .burst = burst};
  sluice_plugin_limiter_outcome_t outcome;
  if (!sluice_plugin_limiter_take(&name, &limit, cost, &outcome, &error)) {
    sluice_fail(sluice_from_string(error));
    return (sluice_outcome){.admitted = false};
  }
  return (sluice_outcome){outcome.admitted, outcome.remaining, outcome.reset_ms, outcome.retry_after_ms};
}

sluice_decision sluice_limit(const char *policy, const char *key, uint64_t rate, uint64_t period_ms) {
  sluice_outcome outcome = sluice_take(key, rate, period_ms, rate, 1);
  sluice_quota quota = {
      .policy = policy,
      .limit = rate,
      .window_ms = period_ms,
      .remaining = outcome.remaining,
      .reset_ms = outcome.reset_ms,
      .retry_after_ms = outcome.retry_after_ms,
  };
  return outcome.admitted ? sluice_admitted(quota) : sluice_rejected(quota);
}

static const char *reason(const sluice_plugin_http_client_client_error_t *error) {
  switch (error->tag) {
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_NOT_GRANTED: return "not-granted";
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_INVALID: return sluice_from_string(error->val.invalid);
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_TIMEOUT: return "timeout";
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_UNAVAILABLE: return "unavailable";
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_TOO_LARGE: return "too-large";
    case SLUICE_PLUGIN_HTTP_CLIENT_CLIENT_ERROR_LOOP_DETECTED: return "loop-detected";
    default: return "too-many-calls";
  }
}

const sluice_incoming *sluice_send_all(const sluice_outgoing *requests, size_t count) {
  sluice_plugin_http_client_outgoing_request_t *sent = sluice_alloc(count * sizeof(*sent));
  for (size_t index = 0; index < count; index++) {
    const sluice_outgoing *request = &requests[index];
    sluice_plugin_types_field_t *headers = sluice_alloc(request->headers.count * sizeof(*headers));
    for (size_t each = 0; each < request->headers.count; each++) {
      headers[each].name = sluice_to_string(request->headers.items[each].name);
      headers[each].value = sluice_to_list(sluice_text(request->headers.items[each].value));
    }
    sent[index] = (sluice_plugin_http_client_outgoing_request_t){
        .cluster = sluice_to_string(request->cluster),
        .method = sluice_to_string(request->method ? request->method : "GET"),
        .target = sluice_to_string(request->target),
        .headers = {headers, request->headers.count},
        .body = sluice_to_list(request->body),
        .timeout_ms = {request->timeout_ms != 0, request->timeout_ms},
    };
  }
  sluice_plugin_http_client_list_outgoing_request_t all = {sent, count};
  sluice_plugin_http_client_list_result_incoming_response_client_error_t results;
  sluice_plugin_http_client_send_all(&all, &results);
  sluice_incoming *answers = sluice_alloc(count * sizeof(*answers));
  for (size_t index = 0; index < count; index++) {
    if (index >= results.len || results.ptr[index].is_err) {
      answers[index].error = index < results.len ? reason(&results.ptr[index].val.err) : "unavailable";
      answers[index].body = sluice_text("");
      continue;
    }
    const sluice_plugin_http_client_incoming_response_t *answer = &results.ptr[index].val.ok;
    sluice_plugin_types_list_field_t fields = {answer->headers.ptr, answer->headers.len};
    answers[index].status = answer->status;
    answers[index].headers = sluice_to_fields(fields);
    answers[index].body = sluice_to_bytes(answer->body);
  }
  return answers;
}

sluice_incoming sluice_send(sluice_outgoing request) { return *sluice_send_all(&request, 1); }

bool sluice_is_success(const sluice_incoming *answer) { return answer->status >= 200 && answer->status <= 299; }

static sluice_plugin_metrics_list_label_t to_labels(const sluice_label *labels, size_t count) {
  sluice_plugin_metrics_label_t *made = sluice_alloc(count * sizeof(*made));
  for (size_t index = 0; index < count; index++) {
    made[index].name = sluice_to_string(labels[index].name);
    made[index].value = sluice_to_string(labels[index].value);
  }
  return (sluice_plugin_metrics_list_label_t){made, count};
}

static bool recorded(bool done, const char *name, contract_string_t error) {
  if (!done) sluice_log_error(sluice_format("metric %s: %s", name, sluice_from_string(error)));
  return done;
}

bool sluice_metrics_add(const char *name, const sluice_label *labels, size_t count, uint64_t by) {
  contract_string_t text = sluice_to_string(name), error = {NULL, 0};
  sluice_plugin_metrics_list_label_t list = to_labels(labels, count);
  bool done = sluice_plugin_metrics_add(&text, &list, by, &error);
  return recorded(done, name, error);
}

bool sluice_metrics_set(const char *name, const sluice_label *labels, size_t count, double value) {
  contract_string_t text = sluice_to_string(name), error = {NULL, 0};
  sluice_plugin_metrics_list_label_t list = to_labels(labels, count);
  bool done = sluice_plugin_metrics_set(&text, &list, value, &error);
  return recorded(done, name, error);
}

bool sluice_metrics_observe(const char *name, const sluice_label *labels, size_t count, double value) {
  contract_string_t text = sluice_to_string(name), error = {NULL, 0};
  sluice_plugin_metrics_list_label_t list = to_labels(labels, count);
  bool done = sluice_plugin_metrics_observe(&text, &list, value, &error);
  return recorded(done, name, error);
}

static bool verify(sluice_signature_algorithm algorithm, sluice_plugin_crypto_public_key_t key, sluice_bytes message,
                   sluice_bytes signature) {
  contract_list_u8_t signed_bytes = sluice_to_list(message), by = sluice_to_list(signature);
  contract_string_t error;
  bool good = false;
  if (!sluice_plugin_crypto_verify((uint8_t)algorithm, &key, &signed_bytes, &by, &good, &error)) {
    sluice_fail(sluice_from_string(error));
    return false;
  }
  return good;
}

bool sluice_verify(sluice_signature_algorithm algorithm, sluice_bytes key, sluice_bytes message, sluice_bytes signature) {
  sluice_plugin_crypto_public_key_t spki = {.tag = SLUICE_PLUGIN_CRYPTO_PUBLIC_KEY_SPKI, .val.spki = sluice_to_list(key)};
  return verify(algorithm, spki, message, signature);
}

bool sluice_verify_rsa(sluice_signature_algorithm algorithm, sluice_bytes modulus, sluice_bytes exponent,
                       sluice_bytes message, sluice_bytes signature) {
  sluice_plugin_crypto_public_key_t key = {
      .tag = SLUICE_PLUGIN_CRYPTO_PUBLIC_KEY_RSA,
      .val.rsa = {sluice_to_list(modulus), sluice_to_list(exponent)},
  };
  return verify(algorithm, key, message, signature);
}

bool sluice_verify_point(sluice_signature_algorithm algorithm, sluice_bytes point, sluice_bytes message,
                         sluice_bytes signature) {
  sluice_plugin_crypto_public_key_t key = {
      .tag = SLUICE_PLUGIN_CRYPTO_PUBLIC_KEY_POINT,
      .val.point = sluice_to_list(point),
  };
  return verify(algorithm, key, message, signature);
}

sluice_bytes sluice_hmac(sluice_digest_algorithm algorithm, sluice_bytes key, sluice_bytes message) {
  contract_list_u8_t secret = sluice_to_list(key), text = sluice_to_list(message), code;
  contract_string_t error;
  if (sluice_plugin_crypto_hmac((uint8_t)algorithm, &secret, &text, &code, &error)) return sluice_to_bytes(code);
  sluice_fail(sluice_from_string(error));
  return (sluice_bytes){"", 0};
}

sluice_bytes sluice_digest(sluice_digest_algorithm algorithm, sluice_bytes message) {
  contract_list_u8_t text = sluice_to_list(message), digest;
  contract_string_t error;
  if (sluice_plugin_crypto_digest((uint8_t)algorithm, &text, &digest, &error)) return sluice_to_bytes(digest);
  sluice_fail(sluice_from_string(error));
  return (sluice_bytes){"", 0};
}

bool sluice_equal(sluice_bytes a, sluice_bytes b) {
  contract_list_u8_t left = sluice_to_list(a), right = sluice_to_list(b);
  return sluice_plugin_crypto_equal(&left, &right);
}
