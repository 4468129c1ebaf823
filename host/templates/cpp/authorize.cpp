// {{NAME}}: everybody may look, admins may change things.

#include <algorithm>

#include "sluice/sluice.hpp"

class Admins : public sluice::Authorizer {
 public:
  void configure(const sluice::Json &config) override {
    auto admins = config["admins"];
    if (!admins.is_array()) return sluice::fail("admins: must be a list of subjects");
    for (auto each : admins.items()) admins_.emplace_back(each.string().value_or(""));
  }

  sluice::Authorization authorize(sluice::Request &request, sluice::Exchange &,
                                  const std::optional<sluice::Identity> &identity) override {
    bool is_admin = identity && std::find(admins_.begin(), admins_.end(), identity->subject) != admins_.end();
    if (is_admin || request.method() == "GET") return sluice::Authorization::allowed();
    return sluice::Authorization::denied(sluice::Answer::problem(403, "Only admins may change things"));
  }

 private:
  std::vector<std::string> admins_;
};

SLUICE_EXPORT(Admins)
