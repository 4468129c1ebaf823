// Tries each capability, as the request's path asks for.

#include <string>

#include "sluice/sluice.hpp"

namespace {

std::string truth(bool value) { return value ? "true" : "false"; }

std::string hex(std::string_view bytes) {
  std::string made;
  for (unsigned char byte : bytes.substr(0, 4)) {
    made += "0123456789abcdef"[byte >> 4];
    made += "0123456789abcdef"[byte & 15];
  }
  return made;
}

std::string unhex(std::string_view text) {
  std::string made;
  for (std::size_t at = 0; at + 1 < text.size(); at += 2) {
    made += static_cast<char>(std::stoi(std::string(text.substr(at, 2)), nullptr, 16));
  }
  return made;
}

std::string try_kv() {
  namespace kv = sluice::kv;
  kv::remove("value");
  kv::remove("count");
  std::string seen = kv::get("value").value_or("none");
  kv::set("value", "v1", 60000);
  seen += " " + kv::get("value").value_or("none");
  seen += " " + std::to_string(kv::increment("count", 2));
  seen += " " + std::to_string(kv::increment("count", 3));
  seen += " " + truth(kv::remove("count"));
  return seen + " " + truth(kv::remove("count"));
}

std::string try_kv_failure() {
  sluice::kv::set("text", "abc");
  sluice::kv::increment("text");
  std::string outcome = sluice_failure() ? "failed" : "counted";
  sluice_forgive();
  return outcome + " " + sluice::kv::get("text").value_or("none");
}

std::string try_limiter() {
  std::string seen;
  for (int index = 0; index < 3; index++) {
    seen += (index ? " " : "") + truth(sluice::limiter::take("a", 2, 3600000, 2).admitted);
  }
  return seen;
}

std::string try_metrics() {
  namespace metrics = sluice::metrics;
  return truth(metrics::add("seen", {{"kind", "a"}}, 2)) + " " + truth(metrics::set("level", 0.5)) + " " +
         truth(metrics::observe("size", 7)) + " " + truth(metrics::add("no name"));
}

std::string try_send() {
  auto answer = sluice::http::send({"users", "/new?a=b", "POST", {{"x-a", "1"}}, "body", 1000});
  std::string made;
  for (const auto &[name, value] : answer.headers) {
    if (name == "x-made") made = value;
  }
  return std::to_string(answer.status) + " " + made + " " + std::string(answer.body);
}

std::string try_batch() {
  auto answers = sluice::http::send_all({{"users", "/1"}, {"users", "/2"}, {"slow", "/"}, {"other", "/"}});
  return std::to_string(answers[0].status) + " " + std::to_string(answers[1].status) + " " +
         std::string(answers[1].body) + " " + std::string(answers[2].error.value_or("")) + " " +
         std::string(answers[3].error.value_or(""));
}

std::string try_crypto() {
  namespace crypto = sluice::crypto;
  // RFC 8032, section 7.1, test 2.
  auto key = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  auto signature = unhex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  auto verify = [&](std::string_view message) {
    return truth(crypto::verify_point(SLUICE_EDDSA, key, message, signature));
  };
  return hex(crypto::digest(SLUICE_SHA256, "abc")) + " " +
         hex(crypto::hmac(SLUICE_SHA256, "key", "The quick brown fox jumps over the lazy dog")) + " " +
         truth(crypto::equal("a", "a")) + " " + truth(crypto::equal("a", "b")) + " " + verify("\x72") + " " +
         verify("\x73");
}

std::string attempt(std::string_view path) {
  if (path == "/log") {
    sluice::log::info("a line");
    return "logged";
  }
  if (path == "/clock") {
    auto before = sluice::clock::monotonic();
    return truth(sluice::clock::now() > 1600000000000000000u) + " " + truth(sluice::clock::monotonic() >= before);
  }
  if (path == "/random") {
    auto a = sluice::random(16), b = sluice::random(16);
    return std::to_string(a.size()) + " " + std::to_string(b.size()) + " " + truth(a == b);
  }
  if (path == "/kv") return try_kv();
  if (path == "/kv-failure") return try_kv_failure();
  if (path == "/limiter") return try_limiter();
  if (path == "/metrics") return try_metrics();
  if (path == "/send") return try_send();
  if (path == "/batch") return try_batch();
  return try_crypto();
}

}  // namespace

class Tries : public sluice::Filter {
 public:
  sluice::Decision on_request(sluice::Request &request, sluice::Exchange &) override {
    request.set_header("x-seen", attempt(request.path()));
    return sluice::Decision::proceed();
  }
};

SLUICE_EXPORT(Tries)
