// dlock_election, dlock_leader and dlock_observer.
#include "dlock/election.hpp"

#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

struct dlock_election : c::Belonging {
  dlock_election(dlock_client& of, std::string_view name, const LockOptions& options)
      : Belonging(of.queue()), election(of.client, name, options) {}
  Election election;
};

struct dlock_leader {
  Leader leader;
};

struct dlock_observer : c::Belonging {
  dlock_observer(std::shared_ptr<dlock_queue> of, LeaderWatch&& made)
      : Belonging(std::move(of)), watch(std::move(made)) {}
  LeaderWatch watch;
};

dlock_status dlock_election_new(dlock_client* client, const char* name, std::size_t length,
                                const dlock_lock_options* options, dlock_election** election) {
  return c::make(election, "election", [&] {
    c::require(client != nullptr, "client");
    return new dlock_election{*client, c::bytes(name, length), c::lock_options(options)};
  });
}

void dlock_election_free(dlock_election* election) { delete election; }

dlock_status dlock_election_campaign(dlock_election* election, const char* value,
                                     std::size_t length, std::int64_t timeout_ms,
                                     dlock_cancel* cancel, dlock_lease** lease) {
  return c::make(lease, "lease", [&] {
    c::require(election != nullptr, "election");
    const auto limit = c::limit_of(timeout_ms);
    const auto says = c::bytes(value, length);
    auto won = limit ? election->election.try_campaign_for(*limit, says, c::token_of(cancel))
                     : std::optional{election->election.campaign(says, c::token_of(cancel))};
    if (!won) {
      throw_error(errc::timed_out,
                  timeout_ms > 0 ? "we did not lead in time" : "somebody else leads");
    }
    return new dlock_lease{election->queue(), std::move(*won)};
  });
}

dlock_status dlock_lease_proclaim(dlock_lease* lease, const char* value, std::size_t length) {
  return c::guarded([&] {
    c::check(lease);
    const std::lock_guard alone{lease->changing};
    if (!lease->leadership) {
      throw_error(errc::usage, "this lease leads no election, or was released");
    }
    lease->leadership.proclaim(c::bytes(value, length));
  });
}

dlock_status dlock_election_leader(dlock_election* election, dlock_leader** leader) {
  return c::make(leader, "leader", [&]() -> dlock_leader* {
    c::require(election != nullptr, "election");
    auto found = election->election.leader();
    return found ? new dlock_leader{std::move(*found)} : nullptr;
  });
}

const char* dlock_leader_value(const dlock_leader* leader, std::size_t* length) {
  if (length != nullptr) {
    *length = leader != nullptr ? leader->leader.value.size() : 0;
  }
  return leader != nullptr ? leader->leader.value.c_str() : "";
}

std::int64_t dlock_leader_term(const dlock_leader* leader) {
  return leader != nullptr ? leader->leader.term : 0;
}

std::int64_t dlock_leader_revision(const dlock_leader* leader) {
  return leader != nullptr ? leader->leader.revision : 0;
}

void dlock_leader_free(dlock_leader* leader) { delete leader; }

dlock_status dlock_election_observe(dlock_election* election, dlock_leader_handler handler,
                                    void* context, dlock_observer** observer) {
  return c::make(observer, "observer", [&] {
    c::require(election != nullptr, "election");
    c::require(handler != nullptr, "handler");
    return new dlock_observer{
        election->queue(),
        election->election.observe([handler, context](const LeaderChange& change) {
          const dlock_leader leader{change.leader};
          handler(context, change.kind == LeaderChange::Kind::vacant ? nullptr : &leader);
        })};
  });
}

void dlock_observer_free(dlock_observer* observer) { delete observer; }
