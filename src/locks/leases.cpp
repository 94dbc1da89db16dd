// The Leases handle: several leases used as one.
#include <algorithm>
#include <exception>
#include <iterator>
#include <mutex>
#include <utility>

#include "dlock/acquire_all.hpp"
#include "dlock/error.hpp"
#include "locks/lease_state.hpp"

namespace dlock {
namespace {

// Never destroyed: later destructors of statics may use it.
const std::vector<Lease>& none() {
  static const auto& leases = *new std::vector<Lease>;
  return leases;
}

}  // namespace

namespace detail {

/// The state behind a Leases handle. Thread-safe.
class LeasesState {
 public:
  explicit LeasesState(std::vector<Lease> owned) : leases(std::move(owned)) {}

  std::vector<Lease> leases;

  [[nodiscard]] std::stop_token lost() {
    const std::lock_guard lock{mutex_};
    if (!lost_.stop_possible()) {
      lost_ = std::stop_source{};
      for (const auto& lease : leases) {
        if (LeaseState::is_lost(lease) || is_forked()) {
          lost_.request_stop();  // nobody can listen yet
        } else if (const auto& state = LeaseState::of(lease)) {
          state->client->on_loss(*state->record, lost_);
        }
      }
    }
    return lost_.get_token();
  }

  [[nodiscard]] bool is_forked() const {
    return std::any_of(leases.begin(), leases.end(), [](const Lease& lease) {
      const auto& state = LeaseState::of(lease);
      return state && state->client->is_forked();
    });
  }
  /// Throws in a forked child.
  void check_process() const {
    for (const auto& lease : leases) {
      if (const auto& state = LeaseState::of(lease)) {
        state->client->check_process();
      }
    }
  }

 private:
  std::mutex mutex_;
  std::stop_source lost_{std::nostopstate};  ///< made when a user first asks for it
};

namespace {

/// Releases all of them, those of one client in one call.
void release_all(const std::vector<Lease>& leases, auto on_outcome) {
  struct One {
    std::shared_ptr<LeaseState> state;
    std::shared_ptr<Session> client;
  };
  std::vector<One> all;
  all.reserve(leases.size());
  for (const auto& lease : leases) {
    if (const auto& state = LeaseState::of(lease)) {
      all.push_back({state, nullptr});
      all.back().client = state->let_go();
    }
  }
  for (auto first = all.begin(); first != all.end();) {
    const auto client = first->client;
    const auto last =
        std::find_if(first, all.end(), [&](const One& one) { return one.client != client; });
    std::vector<std::shared_ptr<core::LeaseRecord>> records;
    std::transform(first, last, std::back_inserter(records),
                   [](const One& one) { return one.state->record; });
    for (const auto outcome : client->release_all(records)) {
      on_outcome(*first->state, *client, outcome);
      ++first;
    }
  }
}

void release_quietly(std::vector<Lease>& leases) noexcept {
  try {
    release_all(leases, [](const LeaseState& state, Session& client, core::Released::Kind outcome) {
      state.log(client, outcome);
    });
  } catch (...) {
    // A destructor cannot report it.
    return;
  }
}

}  // namespace
}  // namespace detail

Leases::Leases(std::vector<Lease> leases)
    : state_(std::make_shared<detail::LeasesState>(std::move(leases))) {}

Leases::Leases(Leases&& other) noexcept : state_(std::move(other.state_)) { unbind(); }

// Moved leases may go to another thread, so their holder is unknown from now on.
void Leases::unbind() const noexcept { std::for_each(begin(), end(), detail::LeaseState::unbind); }

Leases::~Leases() {
  if (!state_) {
    return;
  }
  if (state_->is_forked()) {
    detail::leave_to_parent(std::move(state_));
  } else {
    detail::release_quietly(state_->leases);
  }
}

Leases& Leases::operator=(Leases&& other) noexcept {
  if (this != &other) {
    const Leases former{std::move(*this)};
    state_ = std::move(other.state_);
    unbind();
  }
  return *this;
}

std::size_t Leases::size() const noexcept { return state_ ? state_->leases.size() : 0; }

const Lease& Leases::operator[](std::size_t index) const noexcept { return begin()[index]; }

std::vector<Lease>::const_iterator Leases::begin() const noexcept {
  return (state_ ? state_->leases : none()).begin();
}

std::vector<Lease>::const_iterator Leases::end() const noexcept {
  return (state_ ? state_->leases : none()).end();
}

Leases::operator bool() const noexcept {
  return std::any_of(begin(), end(), [](const Lease& lease) { return static_cast<bool>(lease); });
}

std::stop_token Leases::lost() const { return *this ? state_->lost() : std::stop_token{}; }

std::chrono::milliseconds Leases::valid_for() const noexcept {
  const auto first = std::min_element(
      begin(), end(), [](const Lease& a, const Lease& b) { return a.valid_for() < b.valid_for(); });
  return first == end() ? std::chrono::milliseconds::zero() : first->valid_for();
}

bool Leases::held() const noexcept {
  return size() > 0 && std::all_of(begin(), end(), [](const Lease& lease) { return lease.held(); });
}

void Leases::ensure_held() const {
  if (size() == 0) {
    throw_error(errc::usage, "these leases are empty (moved from, or never acquired)");
  }
  for (const auto& lease : *this) {
    lease.ensure_held();
  }
}

void Leases::release() {
  if (!*this) {
    return;
  }
  state_->check_process();
  std::exception_ptr lost;
  std::exception_ptr unknown;
  detail::release_all(state_->leases, [&](const detail::LeaseState& lease, detail::Session&,
                                          core::Released::Kind outcome) {
    try {
      lease.check(outcome);
    } catch (const LockLost&) {
      lost = std::current_exception();
    } catch (const Unreachable&) {
      unknown = std::current_exception();
    }
  });
  if (lost || unknown) {
    std::rethrow_exception(lost ? lost : unknown);
  }
}

}  // namespace dlock
