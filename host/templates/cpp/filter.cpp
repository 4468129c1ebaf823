// {{NAME}}: marks requests and answers, and removes what others needn't see.

#include "sluice/sluice.hpp"

class Greeter : public sluice::Filter {
 public:
  void configure(const sluice::Json &config) override {
    greeting_ = config["greeting"].string().value_or("");
    if (greeting_.empty()) sluice::fail("`greeting` is needed");
  }

  sluice::Decision on_request(sluice::Request &request, sluice::Exchange &) override {
    if (request.path() == "/coffee") return sluice::Decision::respond(sluice::Answer::text(418, "I'm a teapot"));
    request.set_header("x-greeting", greeting_);
    request.remove_header("x-debug");
    return sluice::Decision::proceed();
  }

  sluice::Decision on_response(sluice::Request &, sluice::Response &response, sluice::Exchange &) override {
    response.set_header("x-greeting", greeting_);
    response.remove_header("x-powered-by");
    return sluice::Decision::proceed();
  }

 private:
  std::string greeting_;
};

SLUICE_EXPORT(Greeter)
