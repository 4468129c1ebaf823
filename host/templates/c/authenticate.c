// {{NAME}}: knows its callers by a token.

#include "sluice/sluice.h"

static const char *token;
static const char *subject;

void on_configure(const sluice_json *config) {
  token = sluice_json_string(sluice_json_get(config, "token"));
  subject = sluice_json_string(sluice_json_get(config, "subject"));
  if (!token || !*token || !subject) sluice_fail("`token` and `subject` are needed");
}

sluice_decision on_authenticate(sluice_request *request, sluice_exchange *exchange) {
  (void)exchange;
  const char *given = sluice_request_header(request, "x-token");
  if (!given) return sluice_no_credentials();
  if (!sluice_same(given, token)) {
    sluice_answer *answer = sluice_answer_problem(401, "The token isn't valid");
    return sluice_denied(sluice_answer_header(answer, "www-authenticate", "Token"));
  }
  sluice_request_remove_header(request, "x-token");
  return sluice_identified((sluice_identity){.subject = subject});
}
