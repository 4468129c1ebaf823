// {{NAME}}: so many requests of one client in a time.

#include "sluice/sluice.h"

static uint64_t rate;
static uint64_t per_ms;

void on_configure(const sluice_json *config) {
  double requests = sluice_json_number(sluice_json_get(config, "rate"), 0);
  double period = sluice_json_number(sluice_json_get(config, "per_ms"), 0);
  if (requests < 1 || requests > 1e9 || period < 1 || period > 1e12) {
    sluice_fail("`rate` and `per_ms` must be at least 1");
    return;
  }
  rate = (uint64_t)requests;
  per_ms = (uint64_t)period;
}

sluice_decision on_check(sluice_request *request, sluice_exchange *exchange) {
  (void)request;
  return sluice_limit("per-client", sluice_exchange_client_address(exchange), rate, per_ms);
}
