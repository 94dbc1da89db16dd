// The answers of `dlock serve`, path by path.
#pragma once

#include <string>
#include <vector>

#include "cli/serve/breaker.hpp"
#include "cli/serve/http_server.hpp"
#include "cli/serve/hub.hpp"
#include "cli/serve/metrics.hpp"

namespace dlock::cli {

/// Thread-safe.
class Api {
 public:
  Api(Hub& hub, Breaker& breaker, MetricsOptions metrics, std::vector<std::string> allowed_hosts)
      : hub_(hub),
        breaker_(breaker),
        metrics_(std::move(metrics)),
        allowed_hosts_(std::move(allowed_hosts)) {}

  [[nodiscard]] HttpAnswer answer(const HttpRequest& request);

 private:
  [[nodiscard]] HttpAnswer route(const HttpRequest& request);
  [[nodiscard]] HttpAnswer health() const;
  [[nodiscard]] HttpAnswer locks(const HttpRequest& request) const;
  [[nodiscard]] HttpAnswer lock(const std::string& name);
  [[nodiscard]] HttpAnswer leader(const std::string& name);
  [[nodiscard]] HttpAnswer events();

  Hub& hub_;
  Breaker& breaker_;
  const MetricsOptions metrics_;
  const std::vector<std::string> allowed_hosts_;
};

}  // namespace dlock::cli
