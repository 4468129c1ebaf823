// {{NAME}}: everybody may look, admins may change things.

#include "sluice/sluice.h"

static const sluice_json *admins;

void on_configure(const sluice_json *config) {
  admins = sluice_json_get(config, "admins");
  if (!sluice_json_is_array(admins)) sluice_fail("admins: must be a list of subjects");
}

static bool is_admin(const sluice_identity *identity) {
  if (!identity) return false;
  for (const sluice_json *each = sluice_json_first(admins); each; each = sluice_json_next(each)) {
    if (sluice_same(sluice_json_string(each), identity->subject)) return true;
  }
  return false;
}

sluice_decision on_authorize(sluice_request *request, sluice_exchange *exchange, const sluice_identity *identity) {
  (void)exchange;
  if (is_admin(identity) || sluice_same(sluice_request_method(request), "GET")) return sluice_allowed();
  return sluice_denied(sluice_answer_problem(403, "Only admins may change things"));
}
