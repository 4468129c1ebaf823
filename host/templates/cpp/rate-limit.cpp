// {{NAME}}: so many requests of one client in a time.

#include "sluice/sluice.hpp"

class PerClient : public sluice::RateLimiter {
 public:
  void configure(const sluice::Json &config) override {
    double rate = config["rate"].number().value_or(0), per_ms = config["per_ms"].number().value_or(0);
    if (rate < 1 || rate > 1e9 || per_ms < 1 || per_ms > 1e12) {
      return sluice::fail("`rate` and `per_ms` must be at least 1");
    }
    rate_ = static_cast<std::uint64_t>(rate);
    per_ms_ = static_cast<std::uint64_t>(per_ms);
  }

  sluice::Verdict check(sluice::Request &, sluice::Exchange &exchange) override {
    return sluice::limiter::limit("per-client", exchange.client_address(), rate_, per_ms_);
  }

 private:
  std::uint64_t rate_ = 0;
  std::uint64_t per_ms_ = 0;
};

SLUICE_EXPORT(PerClient)
