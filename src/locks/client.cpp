// The Client handle.
#include "dlock/client.hpp"

#include "dlock/error.hpp"
#include "locks/chosen_url.hpp"
#include "locks/for_ever.hpp"
#include "locks/lease_state.hpp"
#include "redis/url.hpp"
#include "session/session.hpp"

namespace dlock {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

// The longest span of an option: far beyond sense, but no sum of such spans overflows.
constexpr milliseconds longest = std::chrono::hours{24 * 366};

void check(const ClientOptions& options) {
  const auto is_timeout = [](milliseconds span) {
    return span > milliseconds::zero() && span <= longest;
  };
  const auto is_margin = [](milliseconds span) {
    return span >= milliseconds::zero() && span <= longest;
  };
  if (!is_timeout(options.connect_timeout) || !is_timeout(options.request_timeout)) {
    throw_error(errc::usage,
                "connect_timeout and request_timeout must be longer than zero and at most a year, "
                "or unlimited");
  }
  if (!is_margin(options.patience)) {
    throw_error(errc::usage, "patience must be from zero to a year, or without limit");
  }
  if (!(options.drift_rate >= 0 && options.drift_rate < 0.5) || !is_margin(options.drift_floor)) {
    throw_error(errc::usage,
                "drift_rate must be from 0 to 0.5, and drift_floor from zero to a year");
  }
  if (options.slow_wait && !is_timeout(*options.slow_wait)) {
    throw_error(errc::usage, "slow_wait must be longer than zero and at most a year");
  }
  if (options.busy_poll < microseconds::zero() || options.busy_poll > milliseconds{1}) {
    throw_error(errc::usage, "busy_poll must be from zero to 1 ms");
  }
  if (!is_margin(options.safety_margin.value_or(milliseconds::zero()))) {
    throw_error(errc::usage, "safety_margin must be from zero to a year");
  }
}

}  // namespace

Client::Client(std::string_view url, ClientOptions options) {
  for (auto* timeout : {&options.connect_timeout, &options.request_timeout, &options.patience}) {
    *timeout = Span{detail::unless_for_ever(*timeout, longest)};
  }
  check(options);
  state_ = std::make_shared<detail::Session>(redis::parse_url(detail::chosen_url(url)),
                                             std::move(options));
}

Client::~Client() {
  if (!state_) {
    return;
  }
  if (state_->is_forked()) {
    detail::leave_to_parent(std::move(state_));
  } else {
    state_->close();
  }
}

Client& Client::operator=(Client&& other) noexcept {
  if (this != &other) {
    const Client former{std::move(*this)};
    state_ = std::move(other.state_);
  }
  return *this;
}

const std::string& Client::url() const noexcept { return state_->url(); }

Stats Client::stats() const {
  state_->check_process();
  return state_->stats();
}

}  // namespace dlock
