// {{NAME}}: picks the least busy endpoint.

#include "sluice/sluice.hpp"

class LeastBusy : public sluice::Balancer {
 public:
  std::optional<std::uint32_t> pick(const std::vector<sluice::Endpoint> &endpoints, sluice::PickContext &) override {
    const sluice::Endpoint *best = nullptr;
    for (const auto &each : endpoints) {
      if (each.healthy && !each.tried && (!best || each.in_flight < best->in_flight)) best = &each;
    }
    if (!best) return std::nullopt;
    return best->index;
  }
};

SLUICE_EXPORT(LeastBusy)
