// A client's statistics as Prometheus reads them.
#include "dlock/metrics.hpp"

#include <string_view>

#include "metrics/exposition.hpp"

namespace dlock {
namespace {

using Type = detail::Exposition::Type;

// Each group of locks has one sample of the family.
template <class Value>
void add_groups(detail::Exposition& text, const Stats& stats, std::string_view name, Type type,
                std::string_view help, Value value) {
  text.family(name, type, help);
  for (const auto& group : stats.groups) {
    text.add(value(group), {{"group", group.group}});
  }
}

void add_acquisitions(detail::Exposition& text, const Stats& stats) {
  text.family("dlock_client_acquisitions_total", Type::counter,
              "Leases acquired, by kind of lock and way.");
  for (const auto& group : stats.groups) {
    for (std::size_t kind = 0; kind < lease_kinds; ++kind) {
      for (std::size_t way = 0; way < ways_to_acquire; ++way) {
        const auto count = group.acquisitions[kind][way];
        // A mutex stands for the group from the start, so that a rate is there from the start.
        if (count > 0 || kind == static_cast<std::size_t>(LeaseKind::mutex)) {
          text.add(count, {{"group", group.group},
                           {"kind", name_of(static_cast<LeaseKind>(kind))},
                           {"way", name_of(static_cast<AcquiredBy>(way))}});
        }
      }
    }
  }
}

void add_losses(detail::Exposition& text, const Stats& stats) {
  text.family("dlock_client_losses_total", Type::counter,
              "Leases that ended while they were still wanted, by reason.");
  for (const auto& group : stats.groups) {
    for (std::size_t reason = 0; reason < loss_reasons; ++reason) {
      text.add(group.losses[reason],
               {{"group", group.group}, {"reason", name_of(static_cast<LossReason>(reason))}});
    }
  }
}

}  // namespace

std::string prometheus_text(const Client& client) {
  const auto stats = client.stats();
  detail::Exposition text;
  add_acquisitions(text, stats);
  add_losses(text, stats);
  add_groups(text, stats, "dlock_client_releases_total", Type::counter,
             "Releases that the server confirmed, or that were passed on.",
             [](const LockStats& of) { return of.released; });
  add_groups(text, stats, "dlock_client_wait_timeouts_total", Type::counter,
             "Waits whose limit passed.", [](const LockStats& of) { return of.timed_out; });
  add_groups(text, stats, "dlock_client_deadlocks_total", Type::counter,
             "Waits that ended as part of a deadlock.",
             [](const LockStats& of) { return of.deadlocks; });
  add_groups(text, stats, "dlock_client_leases_held", Type::gauge, "Leases held now.",
             [](const LockStats& of) { return of.held; });
  add_groups(text, stats, "dlock_client_waiting_calls", Type::gauge,
             "Calls under way that want a lock.", [](const LockStats& of) { return of.waiting; });
  add_groups(text, stats, "dlock_client_wait_seconds", Type::histogram,
             "From the call to the lease.", [](const LockStats& of) { return of.wait; });
  add_groups(text, stats, "dlock_client_hold_seconds", Type::histogram,
             "From the lease to its release or loss.", [](const LockStats& of) { return of.hold; });
  add_groups(text, stats, "dlock_client_handoff_gap_seconds", Type::histogram,
             "From another client's release to the lease that it granted.",
             [](const LockStats& of) { return of.handoff_gap; });
  text.single("dlock_client_renewals_total", Type::counter,
              "Renewals of leases that the server confirmed.", stats.renewals);
  text.single("dlock_client_reconnects_total", Type::counter, "Connections made after the first.",
              stats.reconnects);
  text.single("dlock_client_commands_total", Type::counter, "Commands sent to the server.",
              stats.commands);
  text.single("dlock_client_sent_bytes_total", Type::counter, "Bytes sent to the server.",
              stats.sent_bytes);
  text.single("dlock_client_received_bytes_total", Type::counter, "Bytes received from the server.",
              stats.received_bytes);
  text.single("dlock_client_dropped_events_total", Type::counter,
              "Events that the handler was too slow for.", stats.dropped_events);
  if (!stats.elections.empty()) {
    text.family("leader_election_master_status", Type::gauge,
                "Whether this client leads the election: 1, or 0.");
    for (const auto& election : stats.elections) {
      text.add(std::uint64_t{election.leads}, {{"name", election.name}});
    }
  }
  return std::move(text).take();
}

}  // namespace dlock
