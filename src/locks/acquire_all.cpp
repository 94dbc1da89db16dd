// Several mutexes at once: in one step if all are free, else one after the other.
#include "dlock/acquire_all.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "dlock/error.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "locks/thread_leases.hpp"
#include "runtime/clock.hpp"

namespace dlock {
namespace {

using std::chrono::milliseconds;
using Limit = std::optional<milliseconds>;

class Several {
 public:
  Several(Client& client, const std::vector<std::string>& names, const LockOptions& options) {
    if (names.empty()) {
      throw_error(errc::usage, "there is no name among those to lock");
    }
    for (const auto& name : names) {
      specs_.push_back(std::make_shared<detail::LockSpec>(client, name, options));
    }
    order_.resize(names.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return specs_[a]->key < specs_[b]->key; });
    const auto twice = std::adjacent_find(
        order_.begin(), order_.end(),
        [&](std::size_t a, std::size_t b) { return specs_[a]->key == specs_[b]->key; });
    if (twice != order_.end()) {
      throw_error(errc::usage,
                  "the name \"" + specs_[*twice]->name + "\" stands twice among those to lock");
    }
  }

  /// They are the calling thread's, until they are moved one by one.
  std::optional<std::vector<Lease>> take(Limit limit, const std::stop_token& stop) const {
    const auto begin = detail::now();
    const bool tries = limit && *limit <= milliseconds::zero();
    const auto keys = all_keys();
    if (keys.size() > 1 && specs_[0]->client->config().are_together(keys)) {
      auto leases = take_at_once(keys, stop);
      if (leases || tries) {
        return leases;
      }
    }
    return take_in_order(begin, limit, stop);
  }

 private:
  std::vector<std::string> all_keys() const {
    std::vector<std::string> keys;
    for (const auto& spec : specs_) {
      keys.push_back(spec->key);
    }
    return keys;
  }

  std::optional<std::vector<Lease>> take_at_once(const std::vector<std::string>& keys,
                                                 const std::stop_token& stop) const {
    auto records = specs_[0]->client->try_all(keys, specs_[0]->options, stop);
    if (records.empty()) {
      return std::nullopt;
    }
    try {
      specs_[0]->await_replicas(records, stop);
    } catch (...) {
      specs_[0]->client->release_all(records);
      throw;
    }
    std::vector<Lease> leases;
    for (std::size_t i = 0; i < records.size(); ++i) {
      leases.push_back(specs_[i]->lease_of(std::move(records[i])));
    }
    for (const auto& lease : leases) {
      detail::bind_to_thread(detail::LeaseState::of(lease));
    }
    return leases;
  }

  std::optional<std::vector<Lease>> take_in_order(core::Instant begin, Limit limit,
                                                  const std::stop_token& stop) const {
    Taken taken{std::vector<Lease>(specs_.size())};
    for (const auto index : order_) {
      auto left = limit;
      if (limit && *limit > milliseconds::zero()) {
        left = *limit - std::chrono::duration_cast<milliseconds>(detail::now() - begin);
      }
      auto lease = specs_[index]->take(left, stop);
      if (!lease) {
        return std::nullopt;
      }
      taken.leases[index] = std::move(*lease);
      // The next wait may be in a ring with it.
      detail::bind_to_thread(detail::LeaseState::of(taken.leases[index]));
    }
    for (const auto& lease : taken.leases) {
      lease.ensure_held();
    }
    return std::move(taken.leases);
  }

  /// Gives back what was taken, in one go, if the rest is not.
  struct Taken {
    std::vector<Lease> leases;
    ~Taken() { const Leases all{std::move(leases)}; }
  };

  std::vector<std::shared_ptr<const detail::LockSpec>> specs_;
  std::vector<std::size_t> order_;  ///< of their keys: the same for all who lock some of them
};

}  // namespace

Leases acquire_all(Client& client, const std::vector<std::string>& names, LockOptions options,
                   const std::stop_token& stop) {
  // In place, as leases that are moved are not the calling thread's any more.
  auto leases = Several{client, names, options}.take(options.wait, stop);
  if (!leases) {
    throw_error(errc::timed_out, "could not acquire all " + std::to_string(names.size()) +
                                     " locks within " + std::to_string(options.wait->count()) +
                                     " ms");
  }
  return Leases{std::move(*leases)};
}

std::optional<Leases> try_acquire_all(Client& client, const std::vector<std::string>& names,
                                      LockOptions options) {
  return detail::acquire_all_in(client, names, milliseconds::zero(), options, {});
}

std::optional<Leases> detail::acquire_all_in(Client& client, const std::vector<std::string>& names,
                                             milliseconds span, LockOptions options,
                                             const std::stop_token& stop) {
  auto leases = Several{client, names, options}.take(span, stop);
  return leases ? std::optional<Leases>{std::in_place, std::move(*leases)} : std::nullopt;
}

}  // namespace dlock
