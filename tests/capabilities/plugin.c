// Tries each capability, as the request's path asks for.

#include <string.h>

#include "sluice/sluice.h"

// RFC 8032, section 7.1, test 2.
static const unsigned char KEY[] = {
    0x3d, 0x40, 0x17, 0xc3, 0xe8, 0x43, 0x89, 0x5a, 0x92, 0xb7, 0x0a, 0xa7, 0x4d, 0x1b, 0x7e, 0xbc,
    0x9c, 0x98, 0x2c, 0xcf, 0x2e, 0xc4, 0x96, 0x8c, 0xc0, 0xcd, 0x55, 0xf1, 0x2a, 0xf4, 0x66, 0x0c,
};
static const unsigned char SIGNATURE[] = {
    0x92, 0xa0, 0x09, 0xa9, 0xf0, 0xd4, 0xca, 0xb8, 0x72, 0x0e, 0x82, 0x0b, 0x5f, 0x64, 0x25, 0x40,
    0xa2, 0xb2, 0x7b, 0x54, 0x16, 0x50, 0x3f, 0x8f, 0xb3, 0x76, 0x22, 0x23, 0xeb, 0xdb, 0x69, 0xda,
    0x08, 0x5a, 0xc1, 0xe4, 0x3e, 0x15, 0x99, 0x6e, 0x45, 0x8f, 0x36, 0x13, 0xd0, 0xf1, 0x1d, 0x8c,
    0x38, 0x7b, 0x2e, 0xae, 0xb4, 0x30, 0x2a, 0xee, 0xb0, 0x0d, 0x29, 0x16, 0x12, 0xbb, 0x0c, 0x00,
};

void on_configure(const sluice_json *config) { (void)config; }

static const char *truth(bool value) { return value ? "true" : "false"; }

static sluice_bytes bytes_of(const char *text) { return (sluice_bytes){text, strlen(text)}; }

static const char *text_of(sluice_bytes bytes) { return sluice_format("%.*s", (int)bytes.size, bytes.data); }

// The first four bytes.
static const char *hex(sluice_bytes bytes) {
  const unsigned char *raw = (const unsigned char *)bytes.data;
  return sluice_format("%02x%02x%02x%02x", raw[0], raw[1], raw[2], raw[3]);
}

static const char *try_kv(void) {
  sluice_kv_delete("value");
  sluice_kv_delete("count");
  const char *none = sluice_kv_get("value").data ? "found" : "none";
  sluice_kv_set("value", bytes_of("v1"), 60000);
  const char *value = text_of(sluice_kv_get("value"));
  int two = (int)sluice_kv_increment("count", 2, 0), five = (int)sluice_kv_increment("count", 3, 0);
  const char *first = truth(sluice_kv_delete("count")), *second = truth(sluice_kv_delete("count"));
  return sluice_format("%s %s %d %d %s %s", none, value, two, five, first, second);
}

static const char *try_kv_failure(void) {
  sluice_kv_set("text", bytes_of("abc"), 0);
  sluice_kv_increment("text", 1, 0);
  const char *outcome = sluice_failure() ? "failed" : "counted";
  sluice_forgive();
  return sluice_format("%s %s", outcome, text_of(sluice_kv_get("text")));
}

static const char *try_metrics(void) {
  sluice_label label = {"kind", "a"};
  const char *add = truth(sluice_metrics_add("seen", &label, 1, 2));
  const char *set = truth(sluice_metrics_set("level", NULL, 0, 0.5));
  const char *observe = truth(sluice_metrics_observe("size", NULL, 0, 7));
  return sluice_format("%s %s %s %s", add, set, observe, truth(sluice_metrics_add("no name", NULL, 0, 1)));
}

static const char *try_send(void) {
  sluice_field field = {"x-a", "1"};
  sluice_incoming answer = sluice_send((sluice_outgoing){
      .cluster = "users", .method = "POST", .target = "/new?a=b", .headers = {&field, 1}, .body = bytes_of("body"),
      .timeout_ms = 1000,
  });
  const char *made = "";
  for (size_t index = 0; index < answer.headers.count; index++) {
    if (sluice_same(answer.headers.items[index].name, "x-made")) made = answer.headers.items[index].value;
  }
  return sluice_format("%d %s %s", answer.status, made, text_of(answer.body));
}

static const char *try_batch(void) {
  const sluice_outgoing requests[] = {
      {.cluster = "users", .target = "/1"}, {.cluster = "users", .target = "/2"}, {.cluster = "slow", .target = "/"},
      {.cluster = "other", .target = "/"},
  };
  const sluice_incoming *answers = sluice_send_all(requests, 4);
  return sluice_format("%d %d %s %s %s", answers[0].status, answers[1].status, text_of(answers[1].body),
                       answers[2].error, answers[3].error);
}

static const char *try_crypto(void) {
  sluice_bytes key = {(const char *)KEY, sizeof(KEY)}, signature = {(const char *)SIGNATURE, sizeof(SIGNATURE)};
  const char *good = truth(sluice_verify_point(SLUICE_EDDSA, key, bytes_of("\x72"), signature));
  const char *bad = truth(sluice_verify_point(SLUICE_EDDSA, key, bytes_of("\x73"), signature));
  sluice_bytes code = sluice_hmac(SLUICE_SHA256, bytes_of("key"), bytes_of("The quick brown fox jumps over the lazy dog"));
  return sluice_format("%s %s %s %s %s %s", hex(sluice_digest(SLUICE_SHA256, bytes_of("abc"))), hex(code),
                       truth(sluice_equal(bytes_of("a"), bytes_of("a"))),
                       truth(sluice_equal(bytes_of("a"), bytes_of("b"))), good, bad);
}

static const char *try(const char *path) {
  if (sluice_same(path, "/log")) {
    sluice_log_info("a line");
    return "logged";
  }
  if (sluice_same(path, "/clock")) {
    uint64_t before = sluice_monotonic();
    return sluice_format("%s %s", truth(sluice_now() > 1600000000000000000u), truth(sluice_monotonic() >= before));
  }
  if (sluice_same(path, "/random")) {
    sluice_bytes a = sluice_random(16), b = sluice_random(16);
    return sluice_format("%d %d %s", (int)a.size, (int)b.size, truth(memcmp(a.data, b.data, 16) == 0));
  }
  if (sluice_same(path, "/kv")) return try_kv();
  if (sluice_same(path, "/kv-failure")) return try_kv_failure();
  if (sluice_same(path, "/limiter")) {
    bool taken[3];
    for (int index = 0; index < 3; index++) taken[index] = sluice_take("a", 2, 3600000, 2, 1).admitted;
    return sluice_format("%s %s %s", truth(taken[0]), truth(taken[1]), truth(taken[2]));
  }
  if (sluice_same(path, "/metrics")) return try_metrics();
  if (sluice_same(path, "/send")) return try_send();
  if (sluice_same(path, "/batch")) return try_batch();
  return try_crypto();
}

sluice_decision on_request(sluice_request *request, sluice_exchange *exchange) {
  (void)exchange;
  sluice_request_set_header(request, "x-seen", try(sluice_request_path(request)));
  return sluice_continue();
}

sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange) {
  (void)request, (void)response, (void)exchange;
  return sluice_continue();
}
