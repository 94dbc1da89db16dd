// The locks, or the leadership, that a command runs under.
#include "cli/supervision/held.hpp"

namespace dlock::cli {

namespace {

std::span<const Lease> leases_of(const Leases& locks) { return {locks.begin(), locks.end()}; }
std::span<const Lease> leases_of(const Leadership& leadership) { return {&leadership.lease(), 1}; }

void end(Leases& locks) { locks.release(); }
void end(Leadership& leadership) { leadership.resign(); }

}  // namespace

std::span<const Lease> Held::leases() const noexcept {
  return std::visit([](const auto& what) { return leases_of(what); }, what_);
}

std::stop_token Held::lost() const {
  return std::visit([](const auto& what) { return what.lost(); }, what_);
}

std::chrono::milliseconds Held::valid_for() const noexcept {
  return std::visit([](const auto& what) { return what.valid_for(); }, what_);
}

void Held::ensure_held() const {
  std::visit([](const auto& what) { what.ensure_held(); }, what_);
}

void Held::release() {
  std::visit([](auto& what) { end(what); }, what_);
}

}  // namespace dlock::cli
