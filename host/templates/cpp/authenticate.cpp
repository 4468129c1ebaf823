// {{NAME}}: knows its callers by a token.

#include "sluice/sluice.hpp"

class Tokens : public sluice::Authenticator {
 public:
  void configure(const sluice::Json &config) override {
    token_ = config["token"].string().value_or("");
    subject_ = config["subject"].string().value_or("");
    if (token_.empty() || subject_.empty()) sluice::fail("`token` and `subject` are needed");
  }

  sluice::Authentication authenticate(sluice::Request &request, sluice::Exchange &) override {
    auto token = request.header("x-token");
    if (!token) return sluice::Authentication::no_credentials();
    if (*token != token_) {
      auto answer = sluice::Answer::problem(401, "The token isn't valid").header("www-authenticate", "Token");
      return sluice::Authentication::denied(answer);
    }
    request.remove_header("x-token");
    return sluice::Authentication::identified({subject_});
  }

 private:
  std::string token_;
  std::string subject_;
};

SLUICE_EXPORT(Tokens)
