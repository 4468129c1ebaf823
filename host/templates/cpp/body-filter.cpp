// {{NAME}}: lets a word neither in nor out.

#include "sluice/sluice.hpp"

class Censor : public sluice::BodyFilter {
 public:
  void configure(const sluice::Json &config) override {
    word_ = config["word"].string().value_or("");
    if (word_.empty()) sluice::fail("`word` is needed");
  }

  sluice::Decision on_request(sluice::Request &, sluice::Exchange &) override { return sluice::Decision::need_body(); }

  sluice::BodyDecision on_request_body(sluice::Request &, sluice::Exchange &, std::string_view body) override {
    if (body.find(word_) == body.npos) return sluice::BodyDecision::proceed();
    return sluice::BodyDecision::respond(sluice::Answer::problem(422, "That word isn't let in"));
  }

  sluice::Decision on_response(sluice::Request &, sluice::Response &, sluice::Exchange &) override {
    return sluice::Decision::need_body();
  }

  sluice::BodyDecision on_response_body(sluice::Request &, sluice::Response &, sluice::Exchange &,
                                        std::string_view body) override {
    std::string made;
    std::size_t from = 0;
    for (auto at = body.find(word_); at != body.npos; at = body.find(word_, from)) {
      made.append(body.substr(from, at - from)).append("***");
      from = at + word_.size();
    }
    if (from == 0) return sluice::BodyDecision::proceed();
    return sluice::BodyDecision::replace(made.append(body.substr(from)));
  }

 private:
  std::string word_;
};

SLUICE_EXPORT(Censor)
