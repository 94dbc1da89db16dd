// Network: delivery in order, and its failures.
#include "simulation/network.hpp"

#include <algorithm>
#include <utility>

namespace dlock::sim {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration connect_timeout = seconds{2};
// A request in the server's socket buffer is carried out within this time, or never.
constexpr Duration max_late = milliseconds{900};

// Some day in 2023, in microseconds.
constexpr std::int64_t epoch_us = 1'700'000'000'000'000;

// The greatest drift of the servers' clocks.
constexpr int max_ppm = 1000;

// A single server shows true time. The clocks of several differ, by less than the time for which a
// server that lost its data stays away.
Clock clock_of(Stage& stage) {
  Clock clock{epoch_us * 1000, 0};
  if (stage.plan.servers > 1) {
    const auto ttl = *std::max_element(stage.plan.ttls.begin(), stage.plan.ttls.end());
    clock.zero_ns += stage.random.between(-ttl / 4, ttl / 4).count();
    clock.ppm = stage.random.number(-max_ppm, max_ppm);
  }
  return clock;
}

}  // namespace

Network::Network(Stage& stage)
    : stage_(stage), referee_(stage), stalled_until_(stage.plan.servers) {
  for (ServerId server = 0; server < stage.plan.servers; ++server) {
    auto& made = *servers_.emplace_back(std::make_unique<Server>(
        stage, referee_, clock_of(stage),
        [this](LinkId link, const std::string& text) { push(link, text); }));
    made.smooth = [this](LinkId id) {
      const auto& link = links_.at(id);
      return !link.broken && !stopped_.contains(link.process);
    };
  }
}

void Network::push(LinkId link, const std::string& text) {
  for (int copies = stage_.random.chance(stage_.plan.doubles) ? 2 : 1; copies > 0; --copies) {
    if (link == executing_ && !stage_.plan.push_first) {
      held_back_.push_back(text);
    } else {
      message(link, text);
    }
  }
}

Duration Network::delay() {
  const auto& span = stage_.plan.delay;
  return stage_.random.between(span.low, healed_ ? std::min(span.high, span.low * 4) : span.high);
}

LinkId Network::id_of(Route route) const {
  const auto found = newest_.find(route);
  return found == newest_.end() ? 0 : found->second;
}

Network::Link* Network::current(Route route) {
  const auto found = links_.find(id_of(route));
  return found == links_.end() ? nullptr : &found->second;
}

void Network::disturb(ProcessId process) {
  for (const auto& server : servers_) {
    server->disturbed(process);
  }
}

// --- dialling -----------------------------------------------------------------------------------

void Network::dial(ProcessId process, ServerId server) {
  const bool cut_off = partitions_.contains(process) && partitions_[process] > stage_.now();
  if (cut_off) {
    refuse(process, server, connect_timeout, "no answer from the server");
  } else {
    stage_.agenda.in(delay() * 3, [this, process, server] { reached(process, server); });
  }
}

void Network::refuse(ProcessId process, ServerId server, Duration delay, const std::string& why) {
  stage_.agenda.in(delay, [this, process, server, why] {
    wires_.at(process)->connect_failed(server, errc::unreachable, why);
  });
}

void Network::reached(ProcessId process, ServerId server) {
  if (servers_[server]->is_down()) {
    refuse(process, server, delay(), "connection refused");
    return;
  }
  if (gone_.contains(process)) {
    return;
  }
  const bool matters = wires_.at(process)->has_unanswered(server);
  const bool kills = matters && stage_.random.chance(stage_.plan.kills);
  if (kills) {
    for (auto& [id, link] : links_) {
      if (link.process == process && link.server == server && link.server_open) {
        close_server_side(id);
      }
    }
  }
  const LinkId id = ++last_;
  links_[id].process = process;
  links_[id].server = server;
  newest_[{process, server}] = id;
  servers_[server]->open(id, process);
  const bool dead = matters ? kills : stage_.random.chance(0.5);
  stage_.note(id, "up", [&] {
    return "p" + std::to_string(process) + " reaches server " + std::to_string(server) + ", link " +
           std::to_string(id) + (kills ? ", kills the old" : "");
  });
  links_[id].client_open = true;
  stage_.agenda.in(delay(), [this, id, dead] { logged_in(id, dead); });
}

void Network::logged_in(LinkId id, bool old_is_dead) {
  const auto& link = links_.at(id);
  if (link.broken) {
    hang_up(id);
    refuse(link.process, link.server, connect_timeout, "no answer to the login");
  } else {
    wires_.at(link.process)->connected(link.server, id, old_is_dead);
  }
}

// --- messages -----------------------------------------------------------------------------------

void Network::send(LinkId id, core::Command command) {
  auto& link = links_.at(id);
  const auto number = ++link.sent;
  link.up_free = std::max(link.up_free, stage_.now() + delay());
  if (link.client_open && link.up_works) {
    stage_.agenda.at(std::max(link.up_free, link.slow_until),
                     [this, id, number, command = std::move(command)] { up(id, number, command); });
  }
}

void Network::up(LinkId id, std::uint64_t number, const core::Command& command) {
  auto& link = links_.at(id);
  if (!link.server_open || number > link.cut) {
    return;
  }
  auto wait = std::max(link.slow_until, stalled_until_[link.server]);
  if (number > link.arrived + 1) {  // an earlier one was held up
    wait = std::max(wait, stage_.now() + std::chrono::microseconds{10});
  }
  if (wait > stage_.now()) {
    stage_.agenda.at(wait, [this, id, number, command] { up(id, number, command); });
    return;
  }
  link.arrived = number;
  executing_ = id;
  const auto answer = servers_[link.server]->execute(id, command);
  executing_ = 0;
  stage_.note(id, answer.text, [&] {
    std::string line =
        "server " + std::to_string(link.server) + ", link " + std::to_string(id) + ":";
    for (const auto& arg : command.args) {
      line += ' ' + arg.substr(0, 64);
    }
    return line + " => " + answer.text;
  });
  const auto server = link.server;
  down(id, &Link::down_free, [server, id, answer](Wire& wire) { wire.reply(server, id, answer); });
  for (const auto& text : std::exchange(held_back_, {})) {
    message(id, text);
  }
  if (!link.client_open) {
    ++stage_.tally.late_copies;
    wires_.at(link.process)->acted_late();
  }
}

void Network::message(LinkId id, const std::string& text) {
  const auto server = links_.at(id).server;
  down(id, stage_.plan.two_ways ? &Link::messages_free : &Link::down_free,
       [server, id, text](Wire& wire) { wire.message(server, id, text); });
}

template <class Deliver>
void Network::down(LinkId id, Time Link::* way, Deliver deliver) {
  auto& link = links_.at(id);
  auto& free = link.*way;
  free = std::max(free, stage_.now() + delay());
  if (!link.down_works) {
    return;
  }
  stage_.agenda.at(std::max(free, link.slow_until), [this, id, deliver] {
    const auto& reached = links_.at(id);
    if (reached.client_open && reached.down_works) {
      deliver(*wires_.at(reached.process));
    }
  });
}

bool Network::has_under_way(ProcessId process, ServerId server) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& entry) {
    const auto& link = entry.second;
    return link.process == process && link.server == server && link.has_under_way();
  });
}

bool Network::has_under_way() const {
  return std::any_of(links_.begin(), links_.end(),
                     [](const auto& entry) { return entry.second.has_under_way(); });
}

// --- endings ------------------------------------------------------------------------------------

void Network::close_server_side(LinkId id) {
  auto& link = links_.at(id);
  link.server_open = false;
  servers_[link.server]->close(id);
}

void Network::forget_at(LinkId id, Time when) {
  stage_.agenda.at(when, [this, id] { close_server_side(id); });
}

// Some of what is under way still arrives, at once or late.
void Network::break_up(Link& link) {
  link.broken = true;
  disturb(link.process);
  link.cut = std::min(link.cut, stage_.random.number(link.arrived, link.sent));
  if (stage_.random.chance(0.5)) {
    link.slow_until =
        std::max(link.slow_until, stage_.now() + stage_.random.spread(milliseconds{1}, max_late));
  }
}

void Network::hang_up(LinkId id) {
  auto& link = links_.at(id);
  if (!link.client_open) {
    return;
  }
  link.client_open = false;
  break_up(link);
  const bool noticed = link.up_works;
  forget_at(id, std::max(link.up_free, link.slow_until) +
                    (noticed ? delay() : stage_.random.spread(seconds{5}, seconds{40})));
}

void Network::abandon(ProcessId process, bool silently) {
  gone_.insert(process);
  for (ServerId server = 0; server < servers_.size(); ++server) {
    if (auto* link = current({process, server}); link != nullptr) {
      link->up_works = link->up_works && !silently;
      hang_up(id_of({process, server}));
    }
  }
}

void Network::stopped(ProcessId process, bool is_stopped) {
  disturb(process);
  if (is_stopped) {
    stopped_.insert(process);
  } else {
    stopped_.erase(process);
  }
}

void Network::reset(ProcessId process, ServerId server) {
  const auto id = id_of({process, server});
  if (auto* link = current({process, server}); link != nullptr && link->client_open) {
    hang_up(id);
    wires_.at(process)->closed(server, id, "connection reset");
  }
}

void Network::server_closes(ProcessId process, ServerId server) {
  const auto id = id_of({process, server});
  if (auto* link = current({process, server}); link != nullptr && link->server_open) {
    break_up(*link);
    close_server_side(id);
    down(id, &Link::down_free,
         [server, id](Wire& wire) { wire.closed(server, id, "closed by the server"); });
  }
}

void Network::mute(ProcessId process, ServerId server, bool up, bool down) {
  if (auto* link = current({process, server}); link != nullptr && link->client_open) {
    link->broken = true;
    disturb(process);
    link->up_works = link->up_works && !up;
    link->down_works = link->down_works && !down;
    if (up) {
      link->cut = std::min(link->cut, stage_.random.number(link->arrived, link->sent));
      forget_at(id_of({process, server}),
                stage_.now() + stage_.random.spread(seconds{5}, seconds{40}));
    }
  }
}

void Network::partition(ProcessId process, Time until) {
  for (ServerId server = 0; server < servers_.size(); ++server) {
    mute(process, server, true, true);
  }
  partitions_[process] = until;
}

void Network::spike(ProcessId process, ServerId server, Duration delay) {
  if (auto* link = current({process, server}); link != nullptr) {
    link->slow_until = std::max(link->slow_until, stage_.now() + delay);
  }
}

void Network::close_all(ServerId server) {
  for (auto& [id, link] : links_) {
    if (link.server == server && link.server_open) {
      link.broken = true;
      disturb(link.process);
      close_server_side(id);
      down(id, &Link::down_free,
           [server, id = id](Wire& wire) { wire.closed(server, id, "closed by the server"); });
    }
  }
}

void Network::heal() {
  healed_ = true;
  partitions_.clear();
  for (ServerId server = 0; server < servers_.size(); ++server) {
    stalled_until_[server] = stage_.now();
    servers_[server]->come_up();
  }
}

}  // namespace dlock::sim
