// World: what goes wrong.
#include <algorithm>
#include <numeric>

#include "simulation/world.hpp"

namespace dlock::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

}  // namespace

void World::schedule_fault() {
  const auto& plan = stage_.plan;
  const auto wait = chance_.between(Duration{1}, 2 * plan.fault_interval);
  if (stage_.now() + wait >= plan.fault_time) {
    return;
  }
  stage_.agenda.in(wait, [this] {
    if (calm_) {
      return;
    }
    const auto& weights = stage_.plan.weights;
    auto ticket = chance_.number(1, std::accumulate(weights.begin(), weights.end(), 0));
    std::size_t fault = 0;
    while ((ticket -= weights[fault]) > 0) {
      ++fault;
    }
    inject(static_cast<Fault>(fault));
    schedule_fault();
  });
}

Process& World::someone() {
  std::vector<Process*> alive;
  for (auto& process : processes_) {
    if (process->alive()) {
      alive.push_back(process.get());
    }
  }
  return *chance_.pick(alive);
}

std::string World::some_lock() {
  const bool permits = chance_.chance(stage_.plan.permits);
  const bool shared = stage_.plan.only_shared || chance_.chance(0.5);
  return (permits ? shared ? "shared" : "gpu" : "lock") +
         std::to_string(chance_.below(static_cast<std::uint64_t>(stage_.plan.names)));
}

void World::inject(Fault fault) {
  ++stage_.tally.faults;
  auto& process = someone();
  stage_.note(process.id() * 100 + static_cast<std::uint64_t>(fault), "fault", [&] {
    return "FAULT " + std::string{name_of(fault)} + " (p" + std::to_string(process.id()) + ")";
  });
  const auto server = static_cast<ServerId>(chance_.below(stage_.plan.servers));
  switch (fault) {
    case Fault::partition:
      return network_.partition(process.id(),
                                stage_.now() + chance_.spread(milliseconds{10}, seconds{15}));
    case Fault::pause:
      return process.stop(stage_.now() + chance_.spread(milliseconds{1}, seconds{20}));
    case Fault::crash:
    case Fault::power_off:
      process.kill(fault == Fault::power_off);
      return populate(chance_.number(1, stage_.plan.rounds));
    default:
      return inject_connection(fault, process, server);
  }
}

void World::inject_connection(Fault fault, Process& process, ServerId server) {
  switch (fault) {
    case Fault::reset:
      return network_.reset(process.id(), server);
    case Fault::server_closes:
      return network_.server_closes(process.id(), server);
    case Fault::half_open:
      return network_.mute(process.id(), server, true, true);
    case Fault::mute_down:
      return network_.mute(process.id(), server, false, true);
    case Fault::mute_up:
      return network_.mute(process.id(), server, true, false);
    case Fault::spike:
      return network_.spike(process.id(), server, chance_.spread(milliseconds{1}, seconds{5}));
    default:
      return inject_server(fault, server);
  }
}

void World::go_down(ServerId server, Time until) {
  network_.server(server).go_down(until);
  network_.close_all(server);
}

void World::inject_server(Fault fault, ServerId id) {
  auto& server = network_.server(id);
  const auto soon = stage_.now() + chance_.spread(milliseconds{1}, seconds{4});
  switch (fault) {
    case Fault::script_flush:
      return server.forget_scripts();
    case Fault::stall:
      return network_.stall(id, soon);
    case Fault::loading:
    case Fault::busy:
    case Fault::read_only:
    case Fault::out_of_memory:
    case Fault::fate_unknown:
    case Fault::deaf:
    case Fault::no_blocks:
      return server.refuse(fault, soon);
    case Fault::restart:
      go_down(id, soon);
      return server.restart();
    case Fault::restart_empty:
      go_down(id, soon);
      return server.restart_empty();
    case Fault::restart_old:
      server.save();
      return stage_.agenda.in(chance_.spread(milliseconds{1}, seconds{1}), [this, id, soon] {
        if (!calm_) {
          go_down(id, soon);
          network_.server(id).restart_from_saved();
        }
      });
    case Fault::go_away:
      return go_away(id);
    case Fault::flush_all:
      return server.flush_all();
    default:
      return inject_others(fault, server);
  }
}

// By the clock of the server that forgot it, a lease may last a little longer.
void World::go_away(ServerId id) {
  std::size_t down = 0;
  for (ServerId each = 0; each < stage_.plan.servers; ++each) {
    down += network_.server(each).is_down() ? 1 : 0;
  }
  if (down < (stage_.plan.servers - 1) / 2) {
    const auto& ttls = stage_.plan.ttls;
    const auto ttl = *std::max_element(ttls.begin(), ttls.end());
    network_.server(id).go_away(stage_.now() + ttl + ttl / 50 + milliseconds{50});
    network_.close_all(id);
  }
}

void World::inject_others(Fault fault, Server& server) {
  const auto key = some_lock();
  switch (fault) {
    case Fault::step:
      return server.step_clock((chance_.chance(0.5) ? 1 : -1) *
                               chance_.spread(milliseconds{1}, seconds{100}));
    case Fault::delete_lock:
      return server.delete_lock(key);
    case Fault::delete_queue:
      return server.delete_queue(key);
    case Fault::delete_seen:
      return server.delete_seen(key);
    case Fault::break_ask:
      return server.break_lock(key, true);
    case Fault::break_force:
      return server.break_lock(key, false);
    case Fault::foreign_hold:
    case Fault::foreign_poller:
      return poll(server, "lock" + key.substr(key.find_last_not_of("0123456789") + 1),
                  fault == Fault::foreign_hold ? 1 : 100);
    case Fault::wrong_type:
      server.make_wrong_type(key);
      return stage_.agenda.in(chance_.spread(milliseconds{1}, seconds{1}),
                              [&server, key] { server.delete_lock(key); });
    default:
      break;
  }
}

// Another library's client: SET NX, work, compare and delete; it may die or leave out the expiry.
void World::poll(Server& server, const std::string& key, int times) {
  if (times == 0 || calm_) {
    return;
  }
  std::optional ttl{
      std::chrono::floor<milliseconds>(chance_.spread(milliseconds{10}, seconds{10}))};
  if (chance_.chance(0.2)) {
    ttl.reset();
  }
  const auto value = server.foreign_set(key, ttl);
  if (value.empty()) {
    return stage_.agenda.in(milliseconds{100},
                            [=, this, &server] { poll(server, key, times - 1); });
  }
  stage_.note(0, value, [&] { return value + " takes " + key; });
  const Duration life = ttl.value_or(seconds{2});
  if (!ttl || chance_.chance(0.7)) {
    stage_.agenda.in(chance_.between(Duration{0}, life),
                     [&server, key, value] { server.foreign_release(key, value); });
  }
}

void World::end_faults() {
  stage_.note(0, "calm", [] { return "no more faults"; });
  calm_ = true;
  network_.heal();
  for (ServerId server = 0; server < stage_.plan.servers; ++server) {
    network_.server(server).refuse_nothing();
    for (int i = 0; i < stage_.plan.names; ++i) {
      network_.server(server).foreign_leave("lock" + std::to_string(i));
    }
  }
  for (auto& process : processes_) {
    process->go_on_now();
    if (stage_.plan.weights[static_cast<std::size_t>(Fault::deaf)] > 0) {
      network_.reset(process->id(), 0);  // a refused subscription is asked for again only then
    }
  }
  for (auto& user : users_) {
    user->limit(rounds_after_faults);
  }
}

}  // namespace dlock::sim
