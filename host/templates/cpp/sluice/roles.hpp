// A class for each role, what its hooks decide, and the macro that exports a plugin.
#ifndef SLUICE_ROLES_HPP
#define SLUICE_ROLES_HPP

#include "hooks.h"
#include "sluice.hpp"

namespace sluice {

/// Which credentials there are.
struct Authentication {
  sluice_decision raw;

  static Authentication identified(const Identity &identity) {
    return {sluice_identified({
        .subject = detail::copy(identity.subject),
        .issuer = identity.issuer ? detail::copy(*identity.issuer) : nullptr,
        .expires_at = identity.expires_at.value_or(0),
        .claims = detail::copy(identity.claims),
    })};
  }
  /// Another authenticator may find some.
  static Authentication no_credentials() { return {sluice_no_credentials()}; }
  static Authentication denied(const Answer &answer) { return {sluice_denied(answer.raw)}; }
};

struct Authorization {
  sluice_decision raw;

  static Authorization allowed() { return {sluice_allowed()}; }
  static Authorization denied(const Answer &answer) { return {sluice_denied(answer.raw)}; }
};

/// Whether it is too much.
struct Verdict {
  sluice_decision raw;

  static Verdict admitted(const sluice_quota &quota) { return {sluice_admitted(quota)}; }
  /// The gateway answers 429.
  static Verdict rejected(const sluice_quota &quota) { return {sluice_rejected(quota)}; }
};

/// What follows when a head was seen.
struct Decision {
  sluice_decision raw;

  static Decision proceed() { return {sluice_continue()}; }
  /// Stop here and answer with this.
  static Decision respond(const Answer &answer) { return {sluice_respond(answer.raw)}; }
  /// Call the body hook before anything is sent on.
  static Decision need_body() { return {sluice_need_body()}; }
};

/// What follows when a body was seen.
struct BodyDecision {
  sluice_decision raw;

  static BodyDecision proceed() { return {sluice_continue()}; }
  /// Send this body instead.
  static BodyDecision replace(std::string_view body) { return {sluice_replace(detail::copy_bytes(body))}; }
  static BodyDecision respond(const Answer &answer) { return {sluice_respond(answer.raw)}; }
};

/// An endpoint that a balancer chooses from.
struct Endpoint : sluice_endpoint {
  std::uint32_t index;
};

/// What an endpoint is wanted for.
class PickContext {
 public:
  PickContext(sluice_context *raw, sluice_endpoints *endpoints) : raw_(raw), endpoints_(endpoints) {}
  std::string_view cluster() const { return sluice_context_cluster(raw_); }
  std::uint32_t attempt() const { return sluice_context_attempt(raw_); }
  Text client_address() const { return detail::text(sluice_context_client_address(raw_)); }
  std::optional<Identity> identity() const { return Identity::from(sluice_context_identity(raw_)); }
  Text header(std::string_view name) const { return detail::text(sluice_context_header(raw_, detail::copy(name))); }
  Text path() const { return detail::text(sluice_context_path(raw_)); }
  Text address(std::uint32_t index) const { return detail::text(sluice_endpoints_address(endpoints_, index)); }
  Text zone(std::uint32_t index) const { return detail::text(sluice_endpoints_zone(endpoints_, index)); }

 private:
  sluice_context *raw_;
  sluice_endpoints *endpoints_;
};

/// What all plugins have.
class Plugin {
 public:
  /// Called once in every instance. `fail` refuses the configuration.
  virtual void configure(const Json &config) { (void)config; }

 protected:
  ~Plugin() = default;
};

/// Role authenticate.
class Authenticator : public virtual Plugin {
 public:
  virtual Authentication authenticate(Request &request, Exchange &exchange) = 0;
};

/// Role authorize.
class Authorizer : public virtual Plugin {
 public:
  /// There is no identity where the route lets anonymous requests in.
  virtual Authorization authorize(Request &request, Exchange &exchange, const std::optional<Identity> &identity) = 0;
};

/// Role rate-limit.
class RateLimiter : public virtual Plugin {
 public:
  virtual Verdict check(Request &request, Exchange &exchange) = 0;
};

/// Role filter.
class Filter : public virtual Plugin {
 public:
  virtual Decision on_request(Request &, Exchange &) { return Decision::proceed(); }
  virtual Decision on_response(Request &, Response &, Exchange &) { return Decision::proceed(); }
};

/// Role filter, with whole bodies: export `on-request-body` and `on-response-body`.
class BodyFilter : public Filter {
 public:
  virtual BodyDecision on_request_body(Request &, Exchange &, std::string_view) { return BodyDecision::proceed(); }
  virtual BodyDecision on_response_body(Request &, Response &, Exchange &, std::string_view) {
    return BodyDecision::proceed();
  }
};

/// Role filter, with bodies in pieces: export `on-request-chunk` and `on-response-chunk`. One instance sees all pieces of a
/// message and nothing else meanwhile: keep what is needed in members.
class StreamFilter : public Filter {
 public:
  /// Returns what goes on in place of this piece.
  virtual std::string on_request_chunk(Exchange &, std::string_view chunk, bool) { return std::string(chunk); }
  virtual std::string on_response_chunk(Exchange &, std::string_view chunk, bool) { return std::string(chunk); }
};

/// Role aggregate.
class Aggregator : public virtual Plugin {
 public:
  virtual Answer aggregate(Request &request, Exchange &exchange) = 0;
};

/// Role balance.
class Balancer : public virtual Plugin {
 public:
  /// The index of an endpoint; nothing leaves the choice to the gateway.
  virtual std::optional<std::uint32_t> pick(const std::vector<Endpoint> &endpoints, PickContext &context) = 0;
};

namespace detail {

inline std::vector<Endpoint> endpoints(const sluice_endpoints *raw) {
  std::vector<Endpoint> made;
  std::uint32_t count = sluice_endpoints_count(raw);
  made.reserve(count);
  for (std::uint32_t index = 0; index < count; index++) made.push_back({sluice_endpoints_get(raw, index), index});
  return made;
}

inline std::int64_t index(std::optional<std::uint32_t> picked) { return picked ? std::int64_t(*picked) : -1; }

}  // namespace detail
}  // namespace sluice

// Hooks that wit/plugin.wit doesn't export are left out.
#ifdef SLUICE_HOOK_AUTHENTICATE
#define SLUICE_EXPORT_AUTHENTICATE(Type)                                                                             \
  sluice_decision on_authenticate(sluice_request *request, sluice_exchange *exchange) {                              \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    return static_cast<::sluice::Authenticator &>(sluice_plugin).authenticate(one, other).raw;                       \
  }
#else
#define SLUICE_EXPORT_AUTHENTICATE(Type)
#endif

#ifdef SLUICE_HOOK_AUTHORIZE
#define SLUICE_EXPORT_AUTHORIZE(Type)                                                                                \
  sluice_decision on_authorize(sluice_request *request, sluice_exchange *exchange, const sluice_identity *identity) { \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    ::sluice::Authorizer &plugin = sluice_plugin;                                                                    \
    return plugin.authorize(one, other, ::sluice::Identity::from(identity)).raw;                                     \
  }
#else
#define SLUICE_EXPORT_AUTHORIZE(Type)
#endif

#ifdef SLUICE_HOOK_RATE_LIMIT
#define SLUICE_EXPORT_RATE_LIMIT(Type)                                                                               \
  sluice_decision on_check(sluice_request *request, sluice_exchange *exchange) {                                     \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    return static_cast<::sluice::RateLimiter &>(sluice_plugin).check(one, other).raw;                                \
  }
#else
#define SLUICE_EXPORT_RATE_LIMIT(Type)
#endif

#ifdef SLUICE_HOOK_ON_REQUEST
#define SLUICE_EXPORT_ON_REQUEST(Type)                                                                               \
  sluice_decision on_request(sluice_request *request, sluice_exchange *exchange) {                                   \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    return static_cast<::sluice::Filter &>(sluice_plugin).on_request(one, other).raw;                                \
  }
#else
#define SLUICE_EXPORT_ON_REQUEST(Type)
#endif

#ifdef SLUICE_HOOK_ON_REQUEST_BODY
#define SLUICE_EXPORT_ON_REQUEST_BODY(Type)                                                                          \
  sluice_decision on_request_body(sluice_request *request, sluice_exchange *exchange, sluice_bytes body) {           \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    ::sluice::BodyFilter &plugin = sluice_plugin;                                                                    \
    return plugin.on_request_body(one, other, ::sluice::detail::view(body)).raw;                                     \
  }
#else
#define SLUICE_EXPORT_ON_REQUEST_BODY(Type)
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE
#define SLUICE_EXPORT_ON_RESPONSE(Type)                                                                              \
  sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange) {       \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Response answer(response);                                                                             \
    ::sluice::Exchange other(exchange);                                                                              \
    return static_cast<::sluice::Filter &>(sluice_plugin).on_response(one, answer, other).raw;                       \
  }
#else
#define SLUICE_EXPORT_ON_RESPONSE(Type)
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE_BODY
#define SLUICE_EXPORT_ON_RESPONSE_BODY(Type)                                                                         \
  sluice_decision on_response_body(sluice_request *request, sluice_response *response, sluice_exchange *exchange,    \
                                   sluice_bytes body) {                                                              \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Response answer(response);                                                                             \
    ::sluice::Exchange other(exchange);                                                                              \
    ::sluice::BodyFilter &plugin = sluice_plugin;                                                                    \
    return plugin.on_response_body(one, answer, other, ::sluice::detail::view(body)).raw;                            \
  }
#else
#define SLUICE_EXPORT_ON_RESPONSE_BODY(Type)
#endif

#ifdef SLUICE_HOOK_ON_REQUEST_CHUNK
#define SLUICE_EXPORT_ON_REQUEST_CHUNK(Type)                                                                         \
  sluice_bytes on_request_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last) {                          \
    ::sluice::Exchange other(exchange);                                                                              \
    ::sluice::StreamFilter &plugin = sluice_plugin;                                                                  \
    return ::sluice::detail::copy_bytes(plugin.on_request_chunk(other, ::sluice::detail::view(chunk), last));        \
  }
#else
#define SLUICE_EXPORT_ON_REQUEST_CHUNK(Type)
#endif

#ifdef SLUICE_HOOK_ON_RESPONSE_CHUNK
#define SLUICE_EXPORT_ON_RESPONSE_CHUNK(Type)                                                                        \
  sluice_bytes on_response_chunk(sluice_exchange *exchange, sluice_bytes chunk, bool last) {                         \
    ::sluice::Exchange other(exchange);                                                                              \
    ::sluice::StreamFilter &plugin = sluice_plugin;                                                                  \
    return ::sluice::detail::copy_bytes(plugin.on_response_chunk(other, ::sluice::detail::view(chunk), last));       \
  }
#else
#define SLUICE_EXPORT_ON_RESPONSE_CHUNK(Type)
#endif

#ifdef SLUICE_HOOK_AGGREGATE
#define SLUICE_EXPORT_AGGREGATE(Type)                                                                                \
  sluice_answer *on_aggregate(sluice_request *request, sluice_exchange *exchange) {                                  \
    ::sluice::Request one(request);                                                                                  \
    ::sluice::Exchange other(exchange);                                                                              \
    return static_cast<::sluice::Aggregator &>(sluice_plugin).aggregate(one, other).raw;                             \
  }
#else
#define SLUICE_EXPORT_AGGREGATE(Type)
#endif

#ifdef SLUICE_HOOK_BALANCE
#define SLUICE_EXPORT_BALANCE(Type)                                                                                  \
  int64_t on_pick(sluice_context *context, sluice_endpoints *endpoints) {                                            \
    ::sluice::PickContext about(context, endpoints);                                                                 \
    ::sluice::Balancer &plugin = sluice_plugin;                                                                      \
    return ::sluice::detail::index(plugin.pick(::sluice::detail::endpoints(endpoints), about));                      \
  }
#else
#define SLUICE_EXPORT_BALANCE(Type)
#endif

/// Make `Type` the plugin. It needs a constructor without parameters, and the classes of all hooks in wit/plugin.wit.
#define SLUICE_EXPORT(Type)                                                                                          \
  static Type sluice_plugin;                                                                                         \
  extern "C" {                                                                                                       \
  void on_configure(const sluice_json *config) {                                                                     \
    static_cast<::sluice::Plugin &>(sluice_plugin).configure(::sluice::Json(config));                                \
  }                                                                                                                  \
  SLUICE_EXPORT_AUTHENTICATE(Type)                                                                                   \
  SLUICE_EXPORT_AUTHORIZE(Type)                                                                                      \
  SLUICE_EXPORT_RATE_LIMIT(Type)                                                                                     \
  SLUICE_EXPORT_ON_REQUEST(Type)                                                                                     \
  SLUICE_EXPORT_ON_REQUEST_BODY(Type)                                                                                \
  SLUICE_EXPORT_ON_RESPONSE(Type)                                                                                    \
  SLUICE_EXPORT_ON_RESPONSE_BODY(Type)                                                                               \
  SLUICE_EXPORT_ON_REQUEST_CHUNK(Type)                                                                               \
  SLUICE_EXPORT_ON_RESPONSE_CHUNK(Type)                                                                              \
  SLUICE_EXPORT_AGGREGATE(Type)                                                                                      \
  SLUICE_EXPORT_BALANCE(Type)                                                                                        \
  }

#endif
