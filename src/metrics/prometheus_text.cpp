// The statistics of clients as Prometheus reads them.
#include "dlock/metrics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dlock/error.hpp"
#include "metrics/exposition.hpp"

namespace dlock {
namespace {

using Type = detail::Exposition::Type;

/// The metrics of clients, family by family.
class ClientMetrics {
 public:
  /// A client by its name, which is empty if it is the only one.
  struct Named {
    std::string name;
    Stats stats;
  };
  explicit ClientMetrics(std::vector<Named> all) : all_(std::move(all)) {}

  std::string text() && {
    add_acquisitions();
    add_losses();
    add_groups("dlock_client_releases_total", Type::counter,
               "Releases that the server confirmed, or that were passed on.",
               [](const LockStats& of) { return of.released; });
    add_groups("dlock_client_wait_timeouts_total", Type::counter, "Waits whose limit passed.",
               [](const LockStats& of) { return of.timed_out; });
    add_groups("dlock_client_deadlocks_total", Type::counter,
               "Waits that ended as part of a deadlock.",
               [](const LockStats& of) { return of.deadlocks; });
    add_groups("dlock_client_leases_held", Type::gauge, "Leases held now.",
               [](const LockStats& of) { return of.held; });
    add_groups("dlock_client_waiting_calls", Type::gauge, "Calls under way that want a lock.",
               [](const LockStats& of) { return of.waiting; });
    add_groups("dlock_client_wait_seconds", Type::histogram, "From the call to the lease.",
               [](const LockStats& of) { return of.wait; });
    add_groups("dlock_client_hold_seconds", Type::histogram,
               "From the lease to its release or loss.",
               [](const LockStats& of) { return of.hold; });
    add_groups("dlock_client_handoff_gap_seconds", Type::histogram,
               "From another client's release to the lease that it granted.",
               [](const LockStats& of) { return of.handoff_gap; });
    add_count("dlock_client_renewals_total", "Renewals of leases that the server confirmed.",
              &Stats::renewals);
    add_count("dlock_client_reconnects_total", "Connections made after the first.",
              &Stats::reconnects);
    add_count("dlock_client_commands_total", "Commands sent to the server.", &Stats::commands);
    add_count("dlock_client_sent_bytes_total", "Bytes sent to the server.", &Stats::sent_bytes);
    add_count("dlock_client_received_bytes_total", "Bytes received from the server.",
              &Stats::received_bytes);
    add_count("dlock_client_dropped_events_total", "Events that the handler was too slow for.",
              &Stats::dropped_events);
    add_elections();
    return std::move(text_).take();
  }

 private:
  template <class Add>
  void add_family(std::string_view name, Type type, std::string_view help, Add add) {
    text_.family(name, type, help);
    for (const auto& client : all_) {
      text_.set_client(client.name);
      add(client.stats);
    }
  }

  // Each group of locks has one sample of the family.
  template <class Value>
  void add_groups(std::string_view name, Type type, std::string_view help, Value value) {
    add_family(name, type, help, [&](const Stats& stats) {
      for (const auto& group : stats.groups) {
        text_.add(value(group), {{"group", group.group}});
      }
    });
  }

  void add_count(std::string_view name, std::string_view help, std::uint64_t Stats::* count) {
    add_family(name, Type::counter, help, [&](const Stats& stats) { text_.add(stats.*count); });
  }

  void add_acquisitions() {
    add_family("dlock_client_acquisitions_total", Type::counter,
               "Leases acquired, by kind of lock and way.", [this](const Stats& stats) {
                 for (const auto& group : stats.groups) {
                   add_acquisitions_of(group);
                 }
               });
  }

  void add_acquisitions_of(const GroupStats& group) {
    for (std::size_t kind = 0; kind < lease_kinds; ++kind) {
      for (std::size_t way = 0; way < ways_to_acquire; ++way) {
        const auto count = group.acquisitions[kind][way];
        // A mutex stands for the group from the start, so that a rate is there from the start.
        if (count > 0 || kind == static_cast<std::size_t>(LeaseKind::mutex)) {
          text_.add(count, {{"group", group.group},
                            {"kind", name_of(static_cast<LeaseKind>(kind))},
                            {"way", name_of(static_cast<AcquiredBy>(way))}});
        }
      }
    }
  }

  void add_losses() {
    add_family(
        "dlock_client_losses_total", Type::counter,
        "Leases that ended while they were still wanted, by reason.", [this](const Stats& stats) {
          for (const auto& group : stats.groups) {
            for (std::size_t reason = 0; reason < loss_reasons; ++reason) {
              text_.add(
                  group.losses[reason],
                  {{"group", group.group}, {"reason", name_of(static_cast<LossReason>(reason))}});
            }
          }
        });
  }

  // A family without a sample would be an election of nobody.
  void add_elections() {
    if (std::ranges::all_of(all_, [](const Named& one) { return one.stats.elections.empty(); })) {
      return;
    }
    add_family("leader_election_master_status", Type::gauge,
               "Whether this client leads the election: 1, or 0.", [this](const Stats& stats) {
                 for (const auto& election : stats.elections) {
                   text_.add(std::uint64_t{election.leads}, {{"name", election.name}});
                 }
               });
  }

  const std::vector<Named> all_;
  detail::Exposition text_;
};

}  // namespace

std::string prometheus_text(const Client& client) {
  return ClientMetrics{{{"", client.stats()}}}.text();
}

std::string prometheus_text(
    const std::map<std::string, std::reference_wrapper<const Client>>& clients) {
  std::vector<ClientMetrics::Named> all;
  for (const auto& [name, client] : clients) {
    if (name.empty()) {
      throw_error(errc::usage, "the name of a client in metrics is empty");
    }
    all.push_back({name, client.get().stats()});
  }
  return ClientMetrics{std::move(all)}.text();
}

}  // namespace dlock
