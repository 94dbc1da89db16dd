// The Latch handle.
#include "dlock/latch.hpp"

#include <utility>

#include "core/wire/gate.hpp"
#include "core/wire/permits.hpp"
#include "dlock/error.hpp"
#include "locks/for_ever.hpp"
#include "locks/lock_spec.hpp"
#include "locks/membership.hpp"

namespace dlock {

using core::Kind;
using std::chrono::milliseconds;

namespace {

constexpr milliseconds max_keep = std::chrono::hours{24 * 3660};

std::int64_t checked_count(std::int64_t count) {
  if (count < 1 || count > core::max_permits) {
    throw_error(errc::usage, "a latch has a count from 1 to " + std::to_string(core::max_permits) +
                                 ", not " + std::to_string(count));
  }
  return count;
}

LatchOptions checked(LatchOptions options) {
  options.keep = Span{detail::unless_for_ever(options.keep, max_keep)};
  if (options.keep < std::chrono::seconds{1} || options.keep > max_keep) {
    throw_error(errc::usage, "keep is " + std::to_string(options.keep.count()) +
                                 " ms; it must be from 1 s to 10 years, or unlimited");
  }
  return options;
}

// `by` is the amount.
core::Gate gate_of(std::int64_t count, const LatchOptions& options, std::string by) {
  return {Kind::latch,
          {},
          {std::to_string(count), std::to_string(options.keep.count()), std::move(by)}};
}

}  // namespace

Latch::Latch(Client& client, std::string_view name, std::int64_t count, LatchOptions options)
    : gate_(std::make_shared<detail::LockSpec>(client, name, LockOptions{.ttl = options.ttl})),
      count_(checked_count(count)),
      options_(checked(options)) {}

Latch::~Latch() { detail::destroy(gate_); }

void Latch::count_down(std::int64_t n) {
  if (n < 1) {
    throw_error(errc::usage, "a latch is counted down by 1 or more, not by " + std::to_string(n));
  }
  auto gate = gate_of(count_, options_, std::to_string(n));
  gate.call = "count";
  static_cast<void>(gate_->client->at_gate(gate_->key, std::move(gate)));
}

Lease Latch::join() {
  return detail::join(*gate_, gate_of(count_, options_, "0"), count_, options_.ttl);
}

void Latch::count_down(Lease part) {
  auto gate = gate_of(count_, options_, "1");
  gate.call = "count";
  gate.arguments.push_back(detail::token_of_part(*gate_, Kind::latch, part).text());
  static_cast<void>(gate_->client->at_gate(gate_->key, std::move(gate)));
}

bool Latch::try_wait() { return wait_in(milliseconds::zero(), {}); }

void Latch::wait(std::stop_token stop) { wait_in(std::nullopt, std::move(stop)); }

bool Latch::wait_in(std::optional<milliseconds> span, std::stop_token stop) {
  return gate_->client->at_gate(gate_->key, gate_of(count_, options_, "0"), span, stop) != nullptr;
}

const std::string& Latch::name() const noexcept { return gate_->name; }

}  // namespace dlock
