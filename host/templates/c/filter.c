// {{NAME}}: marks requests and answers, and removes what others needn't see.

#include "sluice/sluice.h"

static const char *greeting;

void on_configure(const sluice_json *config) {
  greeting = sluice_json_string(sluice_json_get(config, "greeting"));
  if (!greeting) sluice_fail("`greeting` is needed");
}

sluice_decision on_request(sluice_request *request, sluice_exchange *exchange) {
  (void)exchange;
  if (sluice_same(sluice_request_path(request), "/coffee")) return sluice_respond(sluice_answer_text(418, "I'm a teapot"));
  sluice_request_set_header(request, "x-greeting", greeting);
  sluice_request_remove_header(request, "x-debug");
  return sluice_continue();
}

sluice_decision on_response(sluice_request *request, sluice_response *response, sluice_exchange *exchange) {
  (void)request;
  (void)exchange;
  sluice_response_set_header(response, "x-greeting", greeting);
  sluice_response_remove_header(response, "x-powered-by");
  return sluice_continue();
}
