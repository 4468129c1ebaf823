// {{NAME}}: picks the least busy endpoint.

#include "sluice/sluice.h"

void on_configure(const sluice_json *config) { (void)config; }

int64_t on_pick(sluice_context *context, sluice_endpoints *endpoints) {
  (void)context;
  int64_t best = -1;
  uint32_t least = 0;
  for (uint32_t index = 0; index < sluice_endpoints_count(endpoints); index++) {
    sluice_endpoint each = sluice_endpoints_get(endpoints, index);
    if (!each.healthy || each.tried || (best >= 0 && each.in_flight >= least)) continue;
    best = index;
    least = each.in_flight;
  }
  return best;
}
