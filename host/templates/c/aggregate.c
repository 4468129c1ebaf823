// {{NAME}}: a user and their orders in one answer.

#include "sluice/sluice.h"

void on_configure(const sluice_json *config) { (void)config; }

static bool is_number(const char *text) {
  if (!text || !*text) return false;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return false;
  }
  return true;
}

// The JSON of an answer; NULL if there is none.
static const sluice_json *json_of(const sluice_incoming *answer) {
  return sluice_is_success(answer) ? sluice_json_parse(answer->body) : NULL;
}

sluice_answer *on_aggregate(sluice_request *request, sluice_exchange *exchange) {
  (void)exchange;
  const char *id = sluice_request_capture(request, "id");
  if (!is_number(id)) return sluice_answer_problem(404, "There is no such user");
  const sluice_outgoing requests[] = {
      {.cluster = "users", .target = sluice_format("/users/%s", id)},
      {.cluster = "orders", .target = sluice_format("/orders?user=%s", id)},
  };
  const sluice_incoming *answers = sluice_send_all(requests, 2);
  const sluice_json *user = json_of(&answers[0]), *orders = json_of(&answers[1]);
  if (!user) return sluice_answer_problem(502, "The user can't be had");
  const char *written = sluice_json_written(user);
  if (!orders) {
    sluice_answer *answer = sluice_answer_json(200, sluice_format("{\"user\":%s}", written));
    return sluice_answer_header(answer, "x-partial", "orders");
  }
  return sluice_answer_json(200, sluice_format("{\"user\":%s,\"orders\":%s}", written, sluice_json_written(orders)));
}
