// {{NAME}}: a user and their orders in one answer.

#include <algorithm>

#include "sluice/sluice.hpp"

class Overview : public sluice::Aggregator {
 public:
  sluice::Answer aggregate(sluice::Request &request, sluice::Exchange &) override {
    std::string id(request.capture("id").value_or(""));
    auto is_digit = [](char each) { return each >= '0' && each <= '9'; };
    if (id.empty() || !std::all_of(id.begin(), id.end(), is_digit)) {
      return sluice::Answer::problem(404, "There is no such user");
    }
    std::vector<sluice::http::Outgoing> requests = {
        {"users", "/users/" + id},
        {"orders", "/orders?user=" + id},
    };
    auto answers = sluice::http::send_all(requests);
    auto user = json_of(answers[0]), orders = json_of(answers[1]);
    if (!user) return sluice::Answer::problem(502, "The user can't be had");
    std::string body = "{\"user\":" + std::string(user.written());
    if (!orders) return sluice::Answer::json(200, body + "}").header("x-partial", "orders");
    return sluice::Answer::json(200, body + ",\"orders\":" + std::string(orders.written()) + "}");
  }

 private:
  static sluice::Json json_of(const sluice::http::Incoming &answer) {
    return answer.ok() ? answer.json() : sluice::Json();
  }
};

SLUICE_EXPORT(Overview)
