// What a plugin in C++ is made with: derive from the class of its role, and name it in SLUICE_EXPORT.
//
// Views point to what lives until the hook returns: copy what you keep into a std::string. In configure they live as long
// as the instance. There are no exceptions: `fail` makes a hook fail, and so does an edit that the gateway refuses.
#ifndef SLUICE_HPP
#define SLUICE_HPP

#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "sluice.h"

namespace sluice {

using Text = std::optional<std::string_view>;

namespace detail {

inline Text text(const char *text) { return text ? Text(text) : std::nullopt; }
inline std::string_view view(sluice_bytes bytes) { return {bytes.data, bytes.size}; }
inline sluice_bytes bytes(std::string_view view) { return {view.data(), view.size()}; }

// A copy with a NUL behind it, in the memory of the hook.
inline const char *copy(std::string_view view) {
  char *made = static_cast<char *>(sluice_alloc(view.size() + 1));
  if (!view.empty()) std::memcpy(made, view.data(), view.size());
  return made;
}

inline sluice_bytes copy_bytes(std::string_view view) { return {copy(view), view.size()}; }

using Fields = std::vector<std::pair<std::string_view, std::string_view>>;

inline Fields fields(sluice_fields fields) {
  Fields made;
  made.reserve(fields.count);
  for (std::size_t index = 0; index < fields.count; index++) {
    made.emplace_back(fields.items[index].name, fields.items[index].value);
  }
  return made;
}

}  // namespace detail

/// Header fields in order; names are lower case.
using Fields = detail::Fields;

/// This hook fails: a failure of the plugin, not of the caller.
inline void fail(std::string_view why) { sluice_fail(detail::copy(why)); }

namespace log {
inline void debug(std::string_view text) { sluice_log_debug(detail::copy(text)); }
inline void info(std::string_view text) { sluice_log_info(detail::copy(text)); }
inline void warn(std::string_view text) { sluice_log_warn(detail::copy(text)); }
inline void error(std::string_view text) { sluice_log_error(detail::copy(text)); }
}  // namespace log

/// A JSON value, or nothing: what isn't there answers as well.
class Json {
 public:
  explicit Json(const sluice_json *raw = nullptr) : raw_(raw) {}
  /// Nothing if it isn't JSON.
  static Json parse(std::string_view text) { return Json(sluice_json_parse(detail::bytes(text))); }

  explicit operator bool() const { return raw_ != nullptr; }
  /// A member of an object.
  Json operator[](std::string_view name) const { return Json(sluice_json_get(raw_, detail::copy(name))); }
  Text string() const { return detail::text(sluice_json_string(raw_)); }
  std::optional<double> number() const {
    // Whatever the number is, it can't be both.
    double low = sluice_json_number(raw_, 0), high = sluice_json_number(raw_, 1);
    return low == high ? std::optional(low) : std::nullopt;
  }
  bool boolean(bool otherwise) const { return sluice_json_bool(raw_, otherwise); }
  bool is_array() const { return sluice_json_is_array(raw_); }
  bool is_object() const { return sluice_json_is_object(raw_); }
  /// The items of an array or the members of an object.
  std::vector<Json> items() const {
    std::vector<Json> made;
    for (const sluice_json *each = sluice_json_first(raw_); each; each = sluice_json_next(each)) made.emplace_back(each);
    return made;
  }
  /// The name of a member.
  Text name() const { return detail::text(sluice_json_name(raw_)); }
  /// As it was written.
  std::string_view written() const { return sluice_json_written(raw_); }
  /// A text as a JSON string, with its quotes.
  static std::string quote(std::string_view text) { return sluice_json_quote(detail::copy(text)); }

 private:
  const sluice_json *raw_;
};

/// Who sends a request.
struct Identity {
  std::string subject;
  std::optional<std::string> issuer = std::nullopt;
  /// Seconds since the Unix epoch.
  std::optional<std::uint64_t> expires_at = std::nullopt;
  /// A JSON object.
  std::string claims = "{}";

  static std::optional<Identity> from(const sluice_identity *raw) {
    if (!raw) return std::nullopt;
    Identity made{raw->subject};
    if (raw->issuer) made.issuer = raw->issuer;
    if (raw->expires_at) made.expires_at = raw->expires_at;
    made.claims = raw->claims;
    return made;
  }
};

/// An answer.
class Answer {
 public:
  static Answer bytes(int status, std::string_view content_type, std::string_view body) {
    return Answer(sluice_answer_bytes(status, detail::copy(content_type), detail::copy_bytes(body)));
  }
  static Answer text(int status, std::string_view text) { return bytes(status, "text/plain; charset=utf-8", text); }
  /// `json` is a JSON text.
  static Answer json(int status, std::string_view json) { return bytes(status, "application/json", json); }
  /// A problem document (RFC 9457). The title goes to the client.
  static Answer problem(int status, std::string_view title) {
    return Answer(sluice_answer_problem(status, detail::copy(title)));
  }
  /// The same with one more field.
  Answer header(std::string_view name, std::string_view value) const {
    return Answer(sluice_answer_header(raw, detail::copy(name), detail::copy(value)));
  }

  sluice_answer *raw;

 private:
  explicit Answer(sluice_answer *raw) : raw(raw) {}
};

/// The request. Can be changed in the hooks of the request phase.
class Request {
 public:
  explicit Request(sluice_request *raw) : raw_(raw) {}
  std::string_view method() const { return sluice_request_method(raw_); }
  std::string_view scheme() const { return sluice_request_scheme(raw_); }
  std::string_view authority() const { return sluice_request_authority(raw_); }
  /// Normalized and percent-encoded, without the query.
  std::string_view path() const { return sluice_request_path(raw_); }
  Text query() const { return detail::text(sluice_request_query(raw_)); }
  /// What `{name}` in the route's path matched.
  Text capture(std::string_view name) const { return detail::text(sluice_request_capture(raw_, detail::copy(name))); }
  /// The first value of a field.
  Text header(std::string_view name) const { return detail::text(sluice_request_header(raw_, detail::copy(name))); }
  Fields headers() const { return detail::fields(sluice_request_headers(raw_)); }
  bool set_method(std::string_view method) { return sluice_request_set_method(raw_, detail::copy(method)); }
  bool set_path(std::string_view path) { return sluice_request_set_path(raw_, detail::copy(path)); }
  bool set_query(Text query) { return sluice_request_set_query(raw_, query ? detail::copy(*query) : nullptr); }
  bool set_header(std::string_view name, std::string_view value) {
    return sluice_request_set_header(raw_, detail::copy(name), detail::copy(value));
  }
  bool append_header(std::string_view name, std::string_view value) {
    return sluice_request_append_header(raw_, detail::copy(name), detail::copy(value));
  }
  bool remove_header(std::string_view name) { return sluice_request_remove_header(raw_, detail::copy(name)); }

 private:
  sluice_request *raw_;
};

/// The answer on its way to the client.
class Response {
 public:
  explicit Response(sluice_response *raw) : raw_(raw) {}
  int status() const { return sluice_response_status(raw_); }
  bool set_status(int status) { return sluice_response_set_status(raw_, status); }
  /// `upstream`, `plugin` or `gateway`.
  std::string_view origin() const { return sluice_response_origin(raw_); }
  Text header(std::string_view name) const { return detail::text(sluice_response_header(raw_, detail::copy(name))); }
  Fields headers() const { return detail::fields(sluice_response_headers(raw_)); }
  bool set_header(std::string_view name, std::string_view value) {
    return sluice_response_set_header(raw_, detail::copy(name), detail::copy(value));
  }
  bool append_header(std::string_view name, std::string_view value) {
    return sluice_response_append_header(raw_, detail::copy(name), detail::copy(value));
  }
  bool remove_header(std::string_view name) { return sluice_response_remove_header(raw_, detail::copy(name)); }

 private:
  sluice_response *raw_;
};

/// One request and its answer: what is known besides.
class Exchange {
 public:
  explicit Exchange(sluice_exchange *raw) : raw_(raw) {}
  std::string_view id() const { return sluice_exchange_id(raw_); }
  std::string_view route() const { return sluice_exchange_route(raw_); }
  std::string_view listener() const { return sluice_exchange_listener(raw_); }
  std::string_view client_address() const { return sluice_exchange_client_address(raw_); }
  std::optional<Identity> identity() const { return Identity::from(sluice_exchange_identity(raw_)); }
  /// What an earlier hook of this plugin kept for this exchange.
  std::string_view state() const { return detail::view(sluice_exchange_state(raw_)); }
  bool set_state(std::string_view state) { return sluice_exchange_set_state(raw_, detail::bytes(state)); }
  /// What a plugin published, by `plugin-name.attribute-name`.
  Text attribute(std::string_view name) const {
    return detail::text(sluice_exchange_attribute(raw_, detail::copy(name)));
  }
  bool set_attribute(std::string_view name, std::string_view value) {
    return sluice_exchange_set_attribute(raw_, detail::copy(name), detail::copy(value));
  }

 private:
  sluice_exchange *raw_;
};

}  // namespace sluice

#include "roles.hpp"
#include "capabilities.hpp"

#endif
