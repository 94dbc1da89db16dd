// dlock_election, dlock_leader and dlock_observer.
#include "dlock/election.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"

using namespace dlock;

struct dlock_election : c::Belonging {
  dlock_election(dlock_client& of, std::string_view name, const LockOptions& options)
      : Belonging(of.queue()), election(of.client, name, options) {}
  Election election;
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
    return c::handle<dlock_election>(*client, c::bytes(name, length), c::lock_options(options));
  });
}

void dlock_election_free(dlock_election* election) {
  if (election != nullptr) {
    election->free();
  }
}

namespace {

Leadership campaign(Election& election, std::string_view value, c::Limit limit,
                    const std::stop_token& stop) {
  return limit ? election.campaign_within(*limit, value, stop) : election.campaign(value, stop);
}

void proclaim(dlock_lease& lease, std::string_view value) {
  const std::lock_guard alone{lease.changing};
  auto* const leadership = lease.as<Leadership>();
  if (leadership == nullptr || !*leadership) {
    throw_error(errc::usage, "this lease is not a leadership, or was released");
  }
  leadership->proclaim(value);
}

}  // namespace

dlock_status dlock_election_campaign(dlock_election* election, const char* value,
                                     std::size_t length, std::int64_t timeout_ms,
                                     dlock_cancel* cancel, dlock_lease** lease) {
  return c::make(lease, "lease", [&] {
    c::require(election != nullptr, "election");
    return c::handle<dlock_lease>(election->queue(),
                                  campaign(election->election, c::bytes(value, length),
                                           c::limit_of(timeout_ms), c::token_of(cancel)));
  });
}

dlock_status dlock_lease_proclaim(dlock_lease* lease, const char* value, std::size_t length) {
  return c::guarded([&] {
    c::check(lease);
    proclaim(*lease, c::bytes(value, length));
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
    return c::handle<dlock_observer>(
        election->queue(),
        election->election.observe([handler, context](const LeaderChange& change) {
          const dlock_leader leader{change.leader};
          handler(context, change.kind == LeaderChange::Kind::vacant ? nullptr : &leader);
        }));
  });
}

void dlock_observer_free(dlock_observer* observer) {
  if (observer != nullptr) {
    observer->free();
  }
}

dlock_status dlock_election_campaign_queued(dlock_election* election, const char* value,
                                            std::size_t length, std::int64_t timeout_ms,
                                            std::uint64_t context) {
  return c::guarded([&] {
    c::require(election != nullptr, "election");
    c::in_background(
        c::queue_of(*election), {DLOCK_EVENT_ACQUIRED, context},
        [its = c::kept(election), says = std::string{c::bytes(value, length)},
         limit = c::limit_of(timeout_ms)](const std::stop_token& stop, c::Event& event) {
          event.lease = c::handle<dlock_lease>(nullptr, campaign(its->election, says, limit, stop));
        });
  });
}

dlock_status dlock_lease_proclaim_queued(dlock_lease* lease, const char* value, std::size_t length,
                                         std::uint64_t context) {
  return c::guarded([&] {
    c::check(lease);
    c::in_background(c::queue_of(*lease), {DLOCK_EVENT_DONE, context},
                     [had = c::kept(lease), says = std::string{c::bytes(value, length)}](
                         const std::stop_token&, c::Event&) { proclaim(*had, says); });
  });
}

dlock_status dlock_election_leader_queued(dlock_election* election, std::uint64_t context) {
  return c::guarded([&] {
    c::require(election != nullptr, "election");
    c::in_background(c::queue_of(*election), {DLOCK_EVENT_DONE, context},
                     [its = c::kept(election)](const std::stop_token&, c::Event& event) {
                       if (auto found = its->election.leader()) {
                         event.leader = dlock_leader{std::move(*found)};
                       }
                     });
  });
}

dlock_status dlock_election_observe_queued(dlock_election* election, std::uint64_t context,
                                           dlock_observer** observer) {
  return c::make(observer, "observer", [&] {
    c::require(election != nullptr, "election");
    const auto queue = c::queue_of(*election);
    return c::handle<dlock_observer>(
        queue, election->election.observe([queue, context](const LeaderChange& change) {
          c::Event event{DLOCK_EVENT_LEADER, context};
          if (change.kind != LeaderChange::Kind::vacant) {
            event.leader = dlock_leader{change.leader};
          }
          queue->push(std::move(event));
        }));
  });
}

dlock_status dlock_observer_free_queued(dlock_observer* observer, std::uint64_t context) {
  return c::guarded([&] {
    c::require(observer != nullptr, "observer");
    const auto queue = c::queue_of(*observer);
    c::check_process(*queue);
    auto last = c::kept(observer);
    observer->free();
    try {
      c::in_background(queue, {DLOCK_EVENT_CLOSED, context},
                       [last](const std::stop_token&, c::Event&) mutable { last.reset(); });
      last.reset();
    } catch (const std::system_error&) {
      last.reset();  // no thread to be had: the caller has to wait
      queue->push({DLOCK_EVENT_CLOSED, context});
    }
  });
}
