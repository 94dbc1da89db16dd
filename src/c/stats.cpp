// The statistics of a dlock_client.
#include "dlock/stats.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "c/handles.hpp"
#include "c/options.hpp"
#include "c/status.hpp"
#include "c/text.hpp"
#include "dlock/metrics.hpp"

using namespace dlock;

namespace {

static_assert(DLOCK_HISTOGRAM_RANGES == Histogram::bounds.size() + 1);
static_assert(DLOCK_MAX_GROUPS == Stats::max_groups + 2);
static_assert(DLOCK_KIND_PART == static_cast<int>(LeaseKind::part));
static_assert(DLOCK_WAY_PASSING == static_cast<int>(AcquiredBy::passing));
static_assert(DLOCK_LOSS_TIME_UP == static_cast<int>(LossReason::time_up));

template <std::size_t Size>
void copy_text(std::string_view from, char (&to)[Size]) {
  const auto end = std::copy_n(from.begin(), std::min(from.size(), Size - 1), to);
  std::fill(end, std::end(to), '\0');
}

dlock_histogram histogram(const Histogram& from) {
  dlock_histogram to{};
  std::ranges::copy(from.counts, to.counts);
  to.count = from.count;
  to.sum = from.sum;
  return to;
}

dlock_group_stats group_stats(const GroupStats& from) {
  dlock_group_stats to{};
  copy_text(from.group, to.group);
  for (std::size_t kind = 0; kind < lease_kinds; ++kind) {
    std::ranges::copy(from.acquisitions[kind], to.acquisitions[kind]);
  }
  std::ranges::copy(from.losses, to.losses);
  to.released = from.released;
  to.timed_out = from.timed_out;
  to.deadlocks = from.deadlocks;
  to.held = from.held;
  to.waiting = from.waiting;
  to.wait = histogram(from.wait);
  to.hold = histogram(from.hold);
  to.handoff_gap = histogram(from.handoff_gap);
  return to;
}

dlock_election_stats election_stats(const ElectionStats& from) {
  dlock_election_stats to{};
  copy_text(from.name, to.name);
  to.leads = static_cast<int>(from.leads);
  return to;
}

void write(const Stats& from, dlock_stats& to) {
  const auto size = to.size;
  const dlock_stats all{sizeof all,      from.acquired,   from.granted,        from.passed,
                        from.released,   from.lost,       from.timed_out,      from.renewals,
                        from.reconnects, from.commands,   from.deadlocks,      from.held,
                        from.waiting,    from.sent_bytes, from.received_bytes, from.dropped_events};
  std::memcpy(&to, &all, std::min(size, sizeof all));
  to.size = size;
}

void require_size(std::size_t size) {
  if (size < sizeof size) {
    throw_error(errc::usage, "the size of the stats is not set: say {.size = sizeof stats}");
  }
}

// Fills in what there is room for, of elements whose size may be that of another header. Returns
// how many there are.
template <class From, class To>
std::size_t fill(const std::vector<From>& from, To* to, std::size_t size, std::size_t room,
                 To (*convert)(const From&)) {
  c::require(to != nullptr || room == 0, "an array of the snapshot");
  if (room > 0) {
    require_size(size);
  }
  for (std::size_t i = 0; i < std::min(from.size(), room); ++i) {
    const auto element = convert(from[i]);
    auto* const place = reinterpret_cast<std::byte*>(to) + i * size;
    std::memset(place, 0, size);
    std::memcpy(place, &element, std::min(size, sizeof element));
  }
  return from.size();
}

template <class Kind>
const char* name_or_nothing(Kind kind, std::size_t kinds) {
  return static_cast<std::size_t>(kind) < kinds ? name_of(kind).data() : "";
}

}  // namespace

dlock_status dlock_client_stats(const dlock_client* client, dlock_stats* stats) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::require(stats != nullptr, "stats");
    require_size(stats->size);
    write(client->client.stats(), *stats);
  });
}

dlock_status dlock_client_snapshot(const dlock_client* client, dlock_snapshot* snapshot) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::require(snapshot != nullptr, "snapshot");
    require_size(snapshot->size);
    auto all = c::read_options(snapshot);
    const auto stats = client->client.stats();
    if (all.stats != nullptr) {
      require_size(all.stats->size);
      write(stats, *all.stats);
    }
    all.group_count = fill(stats.groups, all.groups, all.group_size, all.max_groups, group_stats);
    all.election_count =
        fill(stats.elections, all.elections, all.election_size, all.max_elections, election_stats);
    std::memcpy(snapshot, &all, std::min(snapshot->size, sizeof all));
  });
}

dlock_status dlock_prometheus_text(const dlock_client* client, char** text) {
  return c::make(text, "text", [&] {
    c::require(client != nullptr, "client");
    return c::copy_of(prometheus_text(client->client));
  });
}

dlock_status dlock_prometheus_text_of_all(const dlock_client* const* clients,
                                          const char* const* names, std::size_t count,
                                          char** text) {
  return c::make(text, "text", [&] {
    c::require(clients != nullptr, "clients");
    c::require(names != nullptr, "names");
    std::map<std::string, std::reference_wrapper<const Client>> all;
    for (std::size_t i = 0; i < count; ++i) {
      c::require(clients[i] != nullptr, "one of the clients");
      c::require(names[i] != nullptr, "one of the names");
      if (!all.emplace(names[i], clients[i]->client).second) {
        throw_error(errc::usage,
                    "the name \"" + std::string{names[i]} + "\" of a client is there twice");
      }
    }
    return c::copy_of(prometheus_text(all));
  });
}

const double* dlock_histogram_bounds(void) { return Histogram::bounds.data(); }

const char* dlock_lease_kind_name(dlock_lease_kind kind) {
  return name_or_nothing(static_cast<LeaseKind>(kind), lease_kinds);
}

const char* dlock_way_name(dlock_way way) {
  return name_or_nothing(static_cast<AcquiredBy>(way), ways_to_acquire);
}

const char* dlock_loss_name(dlock_loss loss) {
  return name_or_nothing(static_cast<LossReason>(loss), loss_reasons);
}
