// Several locks at once: in one step if all are free mutexes, otherwise one after the other.
#include "dlock/acquire_all.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/wire/span_text.hpp"
#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "locks/ended_wait.hpp"
#include "locks/lease_state.hpp"
#include "locks/lock_spec.hpp"
#include "locks/thread_leases.hpp"
#include "runtime/clock.hpp"

namespace dlock {
namespace {

using std::chrono::milliseconds;
using Limit = std::optional<milliseconds>;

/// What came, or what did not.
struct Outcome {
  std::optional<std::vector<Lease>> leases;
  const detail::LockSpec* missing = nullptr;  ///< null: one of those that were tried at once
  std::int64_t place = 0;                     ///< in the queue of that
};

class Several {
 public:
  explicit Several(const std::vector<LeaseSource>& sources) : sources_(sources) {
    if (sources.empty()) {
      throw_error(errc::usage, "there is nothing to lock: the list is empty");
    }
    order_.resize(sources.size());
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
    const auto twice =
        std::adjacent_find(order_.begin(), order_.end(),
                           [&](std::size_t a, std::size_t b) { return key(a) == key(b); });
    if (twice != order_.end()) {
      throw_error(errc::usage, "the lock \"" + sources[*twice].name() + "\" is listed twice");
    }
  }

  /// The shortest of all.
  [[nodiscard]] Limit wait() const {
    Limit shortest;
    for (const auto& source : sources_) {
      const auto& own = source.spec()->options.wait;
      if (own && (!shortest || *own < *shortest)) {
        shortest = *own;
      }
    }
    return shortest;
  }

  /// The calling thread must release them, until the caller moves one of them.
  Outcome take(Limit limit, const std::stop_token& stop) const {
    const auto begin = runtime::now();
    const bool tries = limit && *limit <= milliseconds::zero();
    if (can_be_had_at_once()) {
      auto leases = take_at_once(stop);
      if (leases || tries) {
        return {std::move(leases)};
      }
    }
    return take_in_order(begin, limit, stop);
  }

  /// The error of an outcome without leases.
  [[nodiscard]] TimedOut timed_out(milliseconds limit, const Outcome& outcome) const {
    const bool tried = limit <= milliseconds::zero();
    const auto all = std::to_string(sources_.size()) + " locks";
    auto text = tried ? "not all " + all + " are free"
                      : "could not acquire all " + all + " within " + core::span_text(limit);
    if (outcome.missing == nullptr) {
      std::vector<std::string> names;
      for (const auto& source : sources_) {
        names.push_back(source.name());
      }
      return {text, std::make_shared<const detail::EndedWait>(first().client, std::move(names), 0)};
    }
    const auto name = "\"" + core::escaped(outcome.missing->name) + "\"";
    text += tried ? ": " + name + " is not" : ": it waited for " + name;
    if (outcome.place > 0) {
      text += ", number " + std::to_string(outcome.place) + " in its queue";
    }
    return {text, outcome.missing->ended_wait(outcome.place)};
  }

 private:
  /// Two sources with one key are the same lock, unless their stores differ.
  [[nodiscard]] std::pair<std::string_view, std::string_view> key(std::size_t index) const {
    const auto& spec = *sources_[index].spec();
    return {spec.key.text(), spec.client->url()};
  }
  [[nodiscard]] const detail::LockSpec& first() const { return *sources_[0].spec(); }

  std::vector<std::string> all_keys() const {
    std::vector<std::string> keys;
    for (const auto& source : sources_) {
      keys.emplace_back(source.spec()->key.text());
    }
    return keys;
  }

  std::vector<detail::Session::Wanted> all_wanted() const {
    std::vector<detail::Session::Wanted> all;
    for (const auto& source : sources_) {
      all.push_back(source.spec()->wanted());
    }
    return all;
  }

  /// Whether one script call can take all of them.
  bool can_be_had_at_once() const {
    const auto is_alike = [&](const LeaseSource& source) {
      const auto& spec = *source.spec();
      return source.weight() == 0 && spec.client == first().client &&
             spec.options == first().options;
    };
    return sources_.size() > 1 && std::ranges::all_of(sources_, is_alike) &&
           first().client->config().are_together(all_keys());
  }

  std::optional<std::vector<Lease>> take_at_once(const std::stop_token& stop) const {
    auto records = first().client->try_all(all_wanted(), stop);
    if (records.empty()) {
      return std::nullopt;
    }
    try {
      first().await_replicas(records, stop);
    } catch (...) {
      first().client->release_all(records);
      throw;
    }
    std::vector<Lease> leases;
    for (std::size_t i = 0; i < records.size(); ++i) {
      leases.push_back(sources_[i].spec()->lease_of(std::move(records[i])));
    }
    for (const auto& lease : leases) {
      detail::bind_to_thread(detail::LeaseState::of(lease));
    }
    return leases;
  }

  Outcome take_in_order(core::Instant begin, Limit limit, const std::stop_token& stop) const {
    Taken taken{std::vector<Lease>(sources_.size())};
    for (const auto index : order_) {
      auto left = limit;
      if (limit && *limit > milliseconds::zero()) {
        left = *limit - std::chrono::duration_cast<milliseconds>(runtime::now() - begin);
      }
      const auto& spec = *sources_[index].spec();
      std::int64_t place = 0;
      auto lease = spec.take(left, stop, spec.permits(sources_[index].weight()), &place);
      if (!lease) {
        return {std::nullopt, &spec, place};
      }
      taken.leases[index] = std::move(*lease);
      // The next wait may be part of a deadlock with this lease.
      detail::bind_to_thread(detail::LeaseState::of(taken.leases[index]));
    }
    for (const auto& lease : taken.leases) {
      lease.ensure_held();
    }
    return {std::move(taken.leases)};
  }

  /// Releases all leases so far in one call, if another lock was not acquired.
  struct Taken {
    std::vector<Lease> leases;
    ~Taken() { const Leases all{std::move(leases)}; }
  };

  const std::vector<LeaseSource>& sources_;
  std::vector<std::size_t> order_;  ///< sorted by key, so that all callers lock in the same order
};

Leases take_or_throw(const Several& several, Limit limit, const std::stop_token& stop) {
  auto outcome = several.take(limit, stop);
  if (!outcome.leases) {
    throw several.timed_out(*limit, outcome);
  }
  return Leases{std::move(*outcome.leases)};
}

std::vector<LeaseSource> mutexes(Client& client, const std::vector<std::string>& names,
                                 const LockOptions& options) {
  std::vector<LeaseSource> sources;
  for (const auto& name : names) {
    sources.emplace_back(std::make_shared<detail::LockSpec>(client, name, options), 0);
  }
  return sources;
}

}  // namespace

Leases acquire_all(const std::vector<LeaseSource>& sources, const std::stop_token& stop) {
  const Several several{sources};
  return take_or_throw(several, several.wait(), stop);
}

Leases acquire_all_within(const std::vector<LeaseSource>& sources, milliseconds span,
                          const std::stop_token& stop) {
  return take_or_throw(Several{sources}, span, stop);
}

std::optional<Leases> try_acquire_all(const std::vector<LeaseSource>& sources) {
  return try_acquire_all_for(sources, milliseconds::zero());
}

std::optional<Leases> try_acquire_all_for(const std::vector<LeaseSource>& sources,
                                          milliseconds span, const std::stop_token& stop) {
  auto leases = Several{sources}.take(span, stop).leases;
  return leases ? std::optional<Leases>{std::in_place, std::move(*leases)} : std::nullopt;
}

Leases acquire_all(Client& client, const std::vector<std::string>& names,
                   const LockOptions& options, const std::stop_token& stop) {
  return acquire_all(mutexes(client, names, options), stop);
}

std::optional<Leases> try_acquire_all(Client& client, const std::vector<std::string>& names,
                                      const LockOptions& options) {
  return try_acquire_all(mutexes(client, names, options));
}

std::optional<Leases> try_acquire_all_for(Client& client, const std::vector<std::string>& names,
                                          milliseconds span, const LockOptions& options,
                                          const std::stop_token& stop) {
  return try_acquire_all_for(mutexes(client, names, options), span, stop);
}

}  // namespace dlock
