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
constexpr Duration longest_late = milliseconds{900};

}  // namespace

Network::Network(Stage& stage)
    : stage_(stage), server_(stage, [this](LinkId link, const std::string& message) {
        for (int copies = stage_.random.chance(stage_.plan.doubles) ? 2 : 1; copies > 0; --copies) {
          if (link == executing_ && !stage_.plan.push_first) {
            held_back_.push_back(message);
          } else {
            down(link, [link, message](Wire& wire) { wire.message(link, message); });
          }
        }
      }) {
  server_.smooth = [this](LinkId id) {
    const auto& link = links_.at(id);
    return !link.broken && !stopped_.contains(link.process);
  };
}

Duration Network::delay() {
  const auto& span = stage_.plan.delay;
  return stage_.random.between(span.low, healed_ ? std::min(span.high, span.low * 4) : span.high);
}

LinkId Network::id_of(ProcessId process) const {
  const auto found = newest_.find(process);
  return found == newest_.end() ? 0 : found->second;
}

Network::Link* Network::current(ProcessId process) {
  const auto found = links_.find(id_of(process));
  return found == links_.end() ? nullptr : &found->second;
}

// --- dialling -----------------------------------------------------------------------------------

void Network::dial(ProcessId process) {
  const bool cut_off = partitions_.contains(process) && partitions_[process] > stage_.now();
  if (cut_off) {
    stage_.agenda.in(connect_timeout, [this, process] {
      wires_.at(process)->connect_failed(errc::unreachable, "no answer from the server");
    });
  } else {
    stage_.agenda.in(delay() * 3, [this, process] { reached(process); });
  }
}

void Network::reached(ProcessId process) {
  if (down_until_ > stage_.now()) {
    stage_.agenda.in(delay(), [this, process] {
      wires_.at(process)->connect_failed(errc::unreachable, "connection refused");
    });
    return;
  }
  if (gone_.contains(process)) {
    return;
  }
  auto& wire = *wires_.at(process);
  const bool matters = wire.has_unanswered();
  const bool kills = matters && stage_.random.chance(stage_.plan.kills);
  if (kills) {
    for (auto& [id, link] : links_) {
      if (link.process == process && link.server_open) {
        close_server_side(id);
      }
    }
  }
  const LinkId id = ++last_;
  links_[id].process = process;
  newest_[process] = id;
  server_.open(id, process);
  const bool dead = matters ? kills : stage_.random.chance(0.5);
  stage_.note(id, "up", [&] {
    return "p" + std::to_string(process) + " reaches the server, link " + std::to_string(id) +
           (kills ? ", kills the old" : "");
  });
  links_[id].client_open = true;
  stage_.agenda.in(delay(), [this, id, dead] { logged_in(id, dead); });
}

void Network::logged_in(LinkId id, bool old_is_dead) {
  const auto process = links_.at(id).process;
  if (links_.at(id).broken) {
    hang_up(id);
    stage_.agenda.in(connect_timeout, [this, process] {
      wires_.at(process)->connect_failed(errc::unreachable, "no answer to the login");
    });
  } else {
    wires_.at(process)->connected(id, old_is_dead);
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
  auto wait = std::max(link.slow_until, stalled_until_);
  if (number > link.arrived + 1) {  // one before it was held up
    wait = std::max(wait, stage_.now() + std::chrono::microseconds{10});
  }
  if (wait > stage_.now()) {
    stage_.agenda.at(wait, [this, id, number, command] { up(id, number, command); });
    return;
  }
  link.arrived = number;
  executing_ = id;
  const auto answer = server_.execute(id, command);
  executing_ = 0;
  stage_.note(id, answer.text, [&] {
    std::string line = "server, link " + std::to_string(id) + ":";
    for (const auto& arg : command.args) {
      line += ' ' + arg.substr(0, 64);
    }
    return line + " => " + answer.text;
  });
  down(id, [id, answer](Wire& wire) { wire.reply(id, answer); });
  for (const auto& message : std::exchange(held_back_, {})) {
    down(id, [id, message](Wire& wire) { wire.message(id, message); });
  }
  if (!link.client_open) {
    ++stage_.tally.late_copies;
    wires_.at(link.process)->acted_late();
  }
}

template <class Deliver>
void Network::down(LinkId id, Deliver deliver) {
  auto& link = links_.at(id);
  link.down_free = std::max(link.down_free, stage_.now() + delay());
  if (!link.down_works) {
    return;
  }
  stage_.agenda.at(std::max(link.down_free, link.slow_until), [this, id, deliver] {
    const auto& reached = links_.at(id);
    if (reached.client_open && reached.down_works) {
      deliver(*wires_.at(reached.process));
    }
  });
}

bool Network::has_under_way(ProcessId process) const {
  return std::any_of(links_.begin(), links_.end(), [&](const auto& entry) {
    const auto& link = entry.second;
    return link.process == process && link.server_open &&
           std::min(link.sent, link.cut) > link.arrived;
  });
}

// --- endings ------------------------------------------------------------------------------------

void Network::close_server_side(LinkId id) {
  links_.at(id).server_open = false;
  server_.close(id);
}

void Network::forget_at(LinkId id, Time when) {
  stage_.agenda.at(when, [this, id] { close_server_side(id); });
}

// Some of what is under way still arrives, at once or late.
void Network::break_up(Link& link) {
  link.broken = true;
  server_.referee().disturbed(link.process);
  link.cut = std::min(link.cut, stage_.random.number(link.arrived, link.sent));
  if (stage_.random.chance(0.5)) {
    link.slow_until = std::max(link.slow_until,
                               stage_.now() + stage_.random.spread(milliseconds{1}, longest_late));
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
  if (auto* link = current(process); link != nullptr) {
    link->up_works = link->up_works && !silently;
    hang_up(id_of(process));
  }
}

void Network::stopped(ProcessId process, bool is_stopped) {
  server_.referee().disturbed(process);
  if (is_stopped) {
    stopped_.insert(process);
  } else {
    stopped_.erase(process);
  }
}

void Network::reset(ProcessId process) {
  if (auto* link = current(process); link != nullptr && link->client_open) {
    const auto id = id_of(process);
    hang_up(id);
    wires_.at(process)->closed(id, "connection reset");
  }
}

void Network::server_closes(ProcessId process) {
  const auto id = id_of(process);
  if (auto* link = current(process); link != nullptr && link->server_open) {
    break_up(*link);
    close_server_side(id);
    down(id, [id](Wire& wire) { wire.closed(id, "closed by the server"); });
  }
}

void Network::mute(ProcessId process, bool up, bool down) {
  if (auto* link = current(process); link != nullptr && link->client_open) {
    link->broken = true;
    server_.referee().disturbed(process);
    link->up_works = link->up_works && !up;
    link->down_works = link->down_works && !down;
    if (up) {
      link->cut = std::min(link->cut, stage_.random.number(link->arrived, link->sent));
      forget_at(id_of(process), stage_.now() + stage_.random.spread(seconds{5}, seconds{40}));
    }
  }
}

void Network::partition(ProcessId process, Time until) {
  mute(process, true, true);
  partitions_[process] = until;
}

void Network::spike(ProcessId process, Duration delay) {
  if (auto* link = current(process); link != nullptr) {
    link->slow_until = std::max(link->slow_until, stage_.now() + delay);
  }
}

void Network::server_down(Time until) {
  down_until_ = until;
  for (auto& [id, link] : links_) {
    if (link.server_open) {
      link.broken = true;
      server_.referee().disturbed(link.process);
      close_server_side(id);
      down(id, [id = id](Wire& wire) { wire.closed(id, "closed by the server"); });
    }
  }
}

void Network::heal() {
  healed_ = true;
  partitions_.clear();
  down_until_ = stalled_until_ = stage_.now();
}

}  // namespace dlock::sim
