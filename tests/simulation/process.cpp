// Process: events to the router, and its actions to the network.
#include "simulation/process.hpp"

#include <utility>

#include "support/spelled_out.hpp"

namespace dlock::sim {
namespace {

using std::chrono::microseconds;

// Calls at one instant until it counts as a busy loop.
constexpr int max_steps = 50;

std::string describe(const core::Command& command) {
  static constexpr const char* names[]{"acquire",     "acquire_all", "release", "renew",
                                       "write_fence", "subscribe",   "enroll",  "withdraw",
                                       "ping",        "watch"};
  std::string text = names[static_cast<int>(command.verb)];
  for (const auto& arg : command.args) {
    text += ' ' + arg;
  }
  return text + (command.bare ? " (bare)" : "") + (command.whole ? " (whole)" : "");
}

// FREE VALUE COUNTER QUEUE
core::BlockReply block_of(std::string_view text) {
  core::Words words{text};
  core::BlockReply block;
  block.was_free = words.next() == "OK";
  block.value = words.next();
  block.is_other_type = block.value == "-WRONGTYPE";
  static_cast<void>(core::parse_number(words.next(), block.counter));
  block.has_queue = words.next() == "1";
  return block;
}

}  // namespace

core::Router::Settings Process::settings(Stage& stage, Random& random, ProcessId id) {
  core::Engine::Settings settings;
  settings.client = core::hex(random.bits() << 16 | id);
  settings.registration = "{}";
  if (stage.plan.no_margin) {
    settings.safety_margin = Duration::zero();
  }
  settings.request_timeout = request_timeout;
  settings.always_scripts = random.chance(0.3);
  settings.watches = random.chance(0.7);
  if (random.chance(0.5)) {
    settings.keep_alive = std::chrono::seconds{60};
  }
  settings.random = [&random](std::span<core::RandomBits> bits) {
    for (auto& some : bits) some = {random.bits(), random.bits()};
  };
  const auto servers = stage.plan.servers;
  return {servers > 1 ? core::Router::Mode::quorum : core::Router::Mode::single, servers,
          std::move(settings)};
}

Process::Process(Stage& stage, Network& network, ProcessId id)
    : stage_(stage),
      network_(network),
      id_(id),
      random_(stage.random.fork()),
      clock_{random_.number<std::int64_t>(1, 1'000'000'000'000'000),
             random_.chance(0.6) ? (random_.chance(0.5) ? 1 : -1) * stage.plan.drift_ppm
                                 : random_.number(-stage.plan.drift_ppm, stage.plan.drift_ppm)},
      router_(settings(stage, random_, id)),
      links_(stage.plan.servers) {
  network.join(id, *this);
}

// --- the network --------------------------------------------------------------------------------

void Process::read(std::function<void()> event) {
  if (alive_ && stopped()) {
    unread_.push_back(std::move(event));
  } else if (alive_) {
    event();
  }
}

void Process::connected(ServerId server, LinkId link, bool old_is_dead) {
  read([this, server, link, old_is_dead] {
    note(link, "connected", [&] {
      return std::string{"is connected"} + (old_is_dead ? "" : ", the old may not be dead");
    });
    links_[server] = link;
    router_.on_connected(now(), server, old_is_dead);
    act_soon();
  });
}

void Process::connect_failed(ServerId server, errc code, const std::string& what) {
  read([this, server, code, what] {
    note(server, "failed", [&] { return "cannot connect: " + what; });
    router_.on_connect_failed(now(), server, code, what);
    act_soon();
  });
}

void Process::reply(ServerId server, LinkId link, const Answer& answer) {
  read([this, server, link, answer] {
    if (link != links_[server]) {
      return;
    }
    note(link, answer.text, [&] { return "reads " + answer.text; });
    router_.on_reply(
        now(), server,
        {.text = answer.text,
         .is_error = answer.is_error,
         .unknown_script = answer.unknown_script,
         .passing = answer.passing,
         .code = answer.code,
         .what = answer.is_error ? answer.text : "",
         .block = answer.is_block ? std::optional{block_of(answer.text)} : std::nullopt,
         .refuses_blocks = answer.refuses_blocks,
         .refuses_watch = answer.refuses_watch});
    act_soon();
  });
}

void Process::message(ServerId server, LinkId link, const std::string& text) {
  read([this, server, link, text] {
    if (link == links_[server]) {
      note(link, text, [&] { return "is told " + text; });
      core::Words words{text};
      if (words.next() != changed) {
        router_.on_message(now(), server, text);
      } else if (words.rest().empty()) {
        router_.on_changed(now(), server, std::nullopt);
      } else {
        router_.on_changed(now(), server, words.rest());
      }
      act_soon();
    }
  });
}

void Process::closed(ServerId server, LinkId link, const std::string& why) {
  read([this, server, link, why] {
    if (link == links_[server]) {
      note(link, "closed", [&] { return "loses its connection: " + why; });
      links_[server] = 0;
      network_.hang_up(link);
      router_.on_disconnected(now(), server, why);
      act_soon();
    }
  });
}

void Process::acted_late() {
  if (alive_) {
    look_around();
  }
}

// --- what happens to it -------------------------------------------------------------------------

void Process::stop(Time until) {
  if (alive_ && !stopped()) {
    note(0, "stops", [&] { return "is stopped until " + std::to_string(until.count() / 1000); });
    stopped_until_ = until;
    ever_stopped_ = true;
    network_.stopped(id_, true);
    stage_.agenda.at(until, [this] { go_on(); });
  }
}

void Process::go_on_now() {
  if (stopped()) {
    stopped_until_ = stage_.now();
    go_on();
  }
}

void Process::go_on() {
  if (!alive_ || stage_.now() < stopped_until_) {
    return;
  }
  note(0, "goes on", [] { return "goes on"; });
  network_.stopped(id_, false);
  if (random_.chance(0.5)) {
    wake();
  }
  while (!unread_.empty() || !waiting_.empty()) {
    const bool reads = waiting_.empty() || (!unread_.empty() && random_.chance(0.5));
    auto& queue = reads ? unread_ : waiting_;
    const auto event = std::move(queue.front());
    queue.pop_front();
    reads ? event() : run(event);
  }
  wake();
}

void Process::kill(bool silently) {
  if (alive_) {
    note(silently ? 1 : 0, "dies", [] { return "dies"; });
    alive_ = false;
    network_.referee().died(id_);
    network_.abandon(id_, silently);
  }
}

// --- the shell ----------------------------------------------------------------------------------

void Process::wake() {
  armed_.reset();
  ++alarm_;
  steps_ = stepped_at_ == stage_.now() ? steps_ + 1 : 0;
  stepped_at_ = stage_.now();
  if (steps_ > max_steps) {
    fail("busy", "p" + std::to_string(id_) + " wakes again and again at one instant");
  }
  acts_soon_ = false;
  router_.on_timer(now());
  perform();
}

// A thread has its turn after the router has acted on what was read.
void Process::run(const std::function<void()>& thread) {
  if (acts_soon_) {
    wake();
  }
  thread();
}

// The shell reads all sockets that are ready, and then acts.
void Process::act_soon() {
  if (acts_soon_) {
    return;
  }
  if (random_.chance(0.7)) {
    router_.on_timer(now());
    perform();
    return;
  }
  acts_soon_ = true;
  stage_.agenda.in(random_.between(microseconds{1}, microseconds{200}), [this] {
    if (acts_soon_ && alive_ && !stopped()) {
      wake();
    }
  });
}

void Process::arm() {
  const auto next = router_.next_timer();
  if (next == armed_ || stopped()) {
    return;
  }
  armed_ = next;
  const auto alarm = ++alarm_;
  if (next != core::Instant::max()) {
    const auto& late = stage_.plan.lateness;
    stage_.agenda.at(clock_.when(next) + random_.between(late.low, late.high), [this, alarm] {
      if (alive_ && alarm == alarm_ && !stopped()) {
        wake();
      }
    });
  }
}

void Process::carry_out_actions() {
  std::vector<core::Action> actions;
  while (const auto server = router_.take_actions(actions)) {
    for (auto& action : actions) {
      std::visit([&](auto& one) { carry_out(*server, one); }, action);
    }
  }
}

void Process::perform() {
  carry_out_actions();
  network_.referee().check(id_);
  look_around();
  if (finishing_ && router_.idle() && alive_) {
    router_.withdraw(now());
    carry_out_actions();
    note(0, "exits", [] { return "exits"; });
    alive_ = false;
    network_.abandon(id_, false);
    if (!waiters_.empty() || !releases_.empty()) {
      fail("answers", "p" + std::to_string(id_) + " exits and owes answers");
    }
    return;
  }
  arm();
}

// An idle process has nothing on a server, unless it keeps others out for a while.
void Process::look_around() const {
  if (!router_.idle() || stage_.now() <= held_off_until_ || !holders_.empty() ||
      !stage_.plan.clock_is_sane()) {
    return;
  }
  for (ServerId id = 0; id < links_.size(); ++id) {
    auto& server = network_.server(id);
    if (links_[id] == 0 || network_.has_under_way(id_, id) || server.has_old_data()) {
      continue;
    }
    if (const auto left = server.remains(router_.engine(id).client()); !left.empty()) {
      fail("leftovers", "p" + std::to_string(id_) + " is idle, but on server " +
                            std::to_string(id) + " " + left);
    }
  }
}

void Process::carry_out(ServerId server, core::Send& action) {
  const auto link = links_[server];
  note(link, describe(action.command), [&] { return "sends " + describe(action.command); });
  const auto& command = action.command;
  for (const auto& lease : command.renewals) {
    network_.referee().renewing(id_, lease.token.text());
  }
  if (link != 0) {  // else the connection was lost after the reply that led to this command
    network_.send(link, test::spelled_out(std::move(action.command)));
  }
}

void Process::carry_out(ServerId server, const core::Connect& /*action*/) {
  network_.dial(id_, server);
}

void Process::carry_out(ServerId server, const core::Disconnect& action) {
  note(links_[server], "hangs up", [&] { return "hangs up: " + action.why; });
  network_.hang_up(std::exchange(links_[server], 0));
}

void Process::carry_out(ServerId /*server*/, const core::Report& action) {
  note(0, action.text, [&] { return "reports: " + action.text; });
}

}  // namespace dlock::sim
