// Capabilities. Using one imports it; it has to be granted then.
#ifndef SLUICE_CAPABILITIES_HPP
#define SLUICE_CAPABILITIES_HPP

#include "roles.hpp"

namespace sluice {

/// Grant: clock.
namespace clock {
/// Nanoseconds since the Unix epoch.
inline std::uint64_t now() { return sluice_now(); }
/// Nanoseconds since some fixed moment; never goes back.
inline std::uint64_t monotonic() { return sluice_monotonic(); }
}  // namespace clock

/// At most 4096 bytes that nobody can foresee. Grant: random.
inline std::string random(std::uint32_t size) { return std::string(detail::view(sluice_random(size))); }

/// Small values, shared by all instances of this plugin. Grant: kv. A failure makes the hook fail.
namespace kv {
inline std::optional<std::string> get(std::string_view key) {
  sluice_bytes value = sluice_kv_get(detail::copy(key));
  return value.data ? std::optional(std::string(detail::view(value))) : std::nullopt;
}
/// `ttl_ms` 0: it stays.
inline bool set(std::string_view key, std::string_view value, std::uint64_t ttl_ms = 0) {
  return sluice_kv_set(detail::copy(key), detail::bytes(value), ttl_ms);
}
/// Whether there was something to delete.
inline bool remove(std::string_view key) { return sluice_kv_delete(detail::copy(key)); }
/// The sum.
inline std::int64_t increment(std::string_view key, std::int64_t by = 1, std::uint64_t ttl_ms = 0) {
  return sluice_kv_increment(detail::copy(key), by, ttl_ms);
}
}  // namespace kv

/// Rate limits that are exact. Grant: limiter.
namespace limiter {
inline sluice_outcome take(std::string_view key, std::uint64_t rate, std::uint64_t period_ms, std::uint64_t burst,
                           std::uint64_t cost = 1) {
  return sluice_take(detail::copy(key), rate, period_ms, burst, cost);
}
/// One token of `key`, as the verdict of `check`.
inline Verdict limit(std::string_view policy, std::string_view key, std::uint64_t rate, std::uint64_t period_ms) {
  return {sluice_limit(detail::copy(policy), detail::copy(key), rate, period_ms)};
}
}  // namespace limiter

/// Requests to the clusters that the grant names. Grant: http-client.
namespace http {

struct Outgoing {
  std::string cluster;
  /// Path and query.
  std::string target;
  std::string method = "GET";
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string body = {};
  /// 0: the cluster's own.
  std::uint32_t timeout_ms = 0;
};

/// Without an answer `status` is 0 and `error` says why.
struct Incoming {
  int status;
  Fields headers;
  std::string_view body;
  Text error;

  bool ok() const { return status >= 200 && status <= 299; }
  Json json() const { return Json::parse(body); }
};

/// All at once, in parallel; the answers are in the order of the requests.
inline std::vector<Incoming> send_all(const std::vector<Outgoing> &requests) {
  std::vector<sluice_outgoing> raw;
  std::vector<std::vector<sluice_field>> headers(requests.size());
  for (std::size_t index = 0; index < requests.size(); index++) {
    const Outgoing &each = requests[index];
    for (const auto &[name, value] : each.headers) headers[index].push_back({name.c_str(), value.c_str()});
    raw.push_back({
        .cluster = each.cluster.c_str(),
        .method = each.method.c_str(),
        .target = each.target.c_str(),
        .headers = {headers[index].data(), headers[index].size()},
        .body = detail::bytes(each.body),
        .timeout_ms = each.timeout_ms,
    });
  }
  const sluice_incoming *answers = sluice_send_all(raw.data(), raw.size());
  std::vector<Incoming> made;
  for (std::size_t index = 0; index < raw.size(); index++) {
    const sluice_incoming &each = answers[index];
    made.push_back({each.status, detail::fields(each.headers), detail::view(each.body), detail::text(each.error)});
  }
  return made;
}

inline Incoming send(const Outgoing &request) { return send_all({request}).front(); }

}  // namespace http

/// Numbers of the plugin's own. Grant: metrics. False: refused, and the log says why.
namespace metrics {
using Labels = std::vector<std::pair<std::string, std::string>>;

namespace detail {
inline std::vector<sluice_label> labels(const Labels &labels) {
  std::vector<sluice_label> made;
  for (const auto &[name, value] : labels) made.push_back({name.c_str(), value.c_str()});
  return made;
}
}  // namespace detail

inline bool add(const std::string &name, const Labels &labels = {}, std::uint64_t by = 1) {
  auto raw = detail::labels(labels);
  return sluice_metrics_add(name.c_str(), raw.data(), raw.size(), by);
}
inline bool set(const std::string &name, double value, const Labels &labels = {}) {
  auto raw = detail::labels(labels);
  return sluice_metrics_set(name.c_str(), raw.data(), raw.size(), value);
}
inline bool observe(const std::string &name, double value, const Labels &labels = {}) {
  auto raw = detail::labels(labels);
  return sluice_metrics_observe(name.c_str(), raw.data(), raw.size(), value);
}
}  // namespace metrics

/// Signatures, codes and digests at native speed. Grant: crypto. A failure makes the hook fail.
namespace crypto {
/// Whether the signature is good. `key` is a SubjectPublicKeyInfo in DER.
inline bool verify(sluice_signature_algorithm algorithm, std::string_view key, std::string_view message,
                   std::string_view signature) {
  return sluice_verify(algorithm, detail::bytes(key), detail::bytes(message), detail::bytes(signature));
}
/// The same with an RSA key's numbers.
inline bool verify_rsa(sluice_signature_algorithm algorithm, std::string_view modulus, std::string_view exponent,
                       std::string_view message, std::string_view signature) {
  return sluice_verify_rsa(algorithm, detail::bytes(modulus), detail::bytes(exponent), detail::bytes(message),
                           detail::bytes(signature));
}
/// The same with a point of a curve, or an Ed25519 key.
inline bool verify_point(sluice_signature_algorithm algorithm, std::string_view point, std::string_view message,
                         std::string_view signature) {
  return sluice_verify_point(algorithm, detail::bytes(point), detail::bytes(message), detail::bytes(signature));
}
inline std::string hmac(sluice_digest_algorithm algorithm, std::string_view key, std::string_view message) {
  return std::string(detail::view(sluice_hmac(algorithm, detail::bytes(key), detail::bytes(message))));
}
inline std::string digest(sluice_digest_algorithm algorithm, std::string_view message) {
  return std::string(detail::view(sluice_digest(algorithm, detail::bytes(message))));
}
/// The time that it takes depends on the lengths alone.
inline bool equal(std::string_view a, std::string_view b) { return sluice_equal(detail::bytes(a), detail::bytes(b)); }
}  // namespace crypto

}  // namespace sluice

#endif
