// Engine: random events. Everybody is answered once, nobody is stuck, and in the end nothing is
// left.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <deque>
#include <set>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

bool coin() { return *rc::gen::arbitrary<bool>(); }
int below(int end) { return *rc::gen::inRange(0, end); }

/// A world that answers as servers may, in any order, and now and then not at all.
class World {
 public:
  void step() {
    now_ += std::chrono::milliseconds{coin() ? below(20) : below(4000)};
    script_.at(now_);
    switch (below(11)) {
      case 0:
      case 1:
        acquire();
        break;
      case 10:
        acquire_all();
        break;
      case 2:
        if (last_waiter_ > 0) script_.cancel(static_cast<WaiterId>(below(last_waiter_) + 1));
        break;
      case 3:
        release();
        break;
      case 4:
        link();
        break;
      case 5:
        message();
        break;
      case 6:
        script_.timer();
        break;
      default:
        if (!commands_.empty()) answer(below(8) == 0);
        break;
    }
    look();
  }

  // No more faults: all leases are released, all commands answered, all timers served.
  void settle() {
    script_.close();
    look();
    while (!held_.empty()) release();
    for (int i = 0; i < 1000 && (!script_.engine.idle() || script_.engine.next_timer()); ++i) {
      if (connecting_) {
        connecting_ = false;
        script_.on_connected(coin());
      } else if (!commands_.empty()) {
        answer(false);
      } else {
        RC_ASSERT(script_.engine.next_timer().has_value());
        now_ = std::max(now_, *script_.engine.next_timer() - (Instant{} + 1h));
        script_.at(now_).timer();
      }
      look();
    }
    RC_ASSERT(script_.engine.idle());
    RC_ASSERT(!script_.engine.next_timer().has_value());
    RC_ASSERT(waiting_.empty());
    RC_ASSERT(releasing_.empty());
  }

 private:
  void acquire() {
    const auto waiter = static_cast<WaiterId>(++last_waiter_);
    AcquireRequest wish{
        .key = coin() ? "a" : "b", .ttl = coin() ? 30s : 1s, .renew = below(4) != 0};
    wish.wait = below(4) != 0;
    if (below(4) == 0) wish.max_hold = 500ms;
    if (coin()) wish.deadline = Instant{} + 1h + now_ + 2s;
    waiting_.insert(waiter);
    script_.acquire(waiter, std::move(wish));
  }

  void acquire_all() {
    std::vector<std::pair<WaiterId, AcquireRequest>> wishes;
    const bool renew = coin();
    for (const auto* key : {"a", "b"}) {
      const auto waiter = static_cast<WaiterId>(++last_waiter_);
      waiting_.insert(waiter);
      wishes.emplace_back(waiter,
                          AcquireRequest{.key = key, .ttl = 1s, .renew = renew, .wait = false});
    }
    script_.acquire_all(std::move(wishes));
  }

  void release() {
    if (held_.empty()) return;
    const auto waiter = *std::next(held_.begin(), below(static_cast<int>(held_.size())));
    held_.erase(waiter);
    releasing_.insert(script_.leases.at(waiter)->id);
    script_.release(waiter);
    look();
  }

  void link() {
    if (connecting_) {
      connecting_ = false;
      coin() ? script_.on_connected(coin()) : script_.on_connect_failed();
    } else if (connected_ && below(3) == 0) {
      connected_ = false;
      commands_.clear();
      script_.on_disconnected();
    }
  }

  void message() {
    if (tokens_.empty()) return;
    const auto& token = *std::next(tokens_.begin(), below(static_cast<int>(tokens_.size())));
    const auto kind = below(3);
    const auto server = std::to_string(1'000'000 + now_ / 1us);
    script_.message(kind == 0   ? "grant " + token + " 9 " + server
                    : kind == 1 ? "next " + token + " " + std::to_string(below(3000))
                                : "break " + token + " 5 " + std::to_string(below(2)));
  }

  // The reply to the oldest command, with `fault` perhaps not the one that was hoped for.
  void answer(bool fault) {
    const auto command = commands_.front();
    commands_.pop_front();
    const bool is_all = command.verb == Verb::acquire_all;
    const bool is_script = command.verb == Verb::acquire || command.verb == Verb::release ||
                           command.verb == Verb::renew || is_all;
    if (fault) {
      const auto kind = below(4);
      if (kind == 0 && is_script && !command.whole) return script_.noscript();
      if (kind == 1) return script_.passing_error();
      if (kind == 2) return script_.reply("deadbeef");
      return script_.error(errc::read_only);
    }
    if (!is_script) return script_.reply("OK");
    const auto& args = command.args;
    if (command.bare && command.verb == Verb::release) {
      return script_.answer({.text = coin() ? "1" : "0"});
    }
    if (command.bare) {
      BlockReply block{.was_free = coin(), .value = args[0], .has_queue = below(4) == 0};
      block.counter = below(4) == 0 ? 0 : ++counter_;
      if (below(6) == 0) return script_.answer({.refuses_blocks = coin()});
      return script_.answer({.block = block});
    }
    if (is_all) {
      std::string text{echo_of(args[1])};
      if (coin()) return script_.reply(text + " busy 100");
      text += " acquired";
      for (std::size_t i = 1; i < args.size(); ++i) text += " 5";
      return script_.reply(text);
    }
    const std::string first{command.verb == Verb::renew ? args[0] : echo_of(args[0])};
    if (command.verb == Verb::renew) {
      std::string letters;
      for (std::size_t i = 1; i < args.size(); i += 4) letters += below(5) == 0 ? 'l' : 'k';
      return script_.reply(first + " " + letters);
    }
    const std::string outcome = coin() ? "released" : "not_held";
    if (command.verb == Verb::release) return script_.reply(first + " " + outcome);
    const auto given_up = args[4].empty() ? "" : " " + outcome;
    if (coin()) {
      return script_.reply(first + " acquired " + std::to_string(++counter_) + given_up);
    }
    if (args[2] == "try") return script_.reply(first + " busy 100" + given_up);
    const auto server = std::to_string(1'000'000 + now_ / 1us);
    script_.reply(first + " queued " + std::to_string(below(5000)) + " " +
                  std::to_string(below(3)) + " 77 " + server + (coin() ? " ours" : " foreign") +
                  given_up);
  }

  void look() {
    for (auto& action : script_.take()) {
      if (auto* send = std::get_if<Send>(&action)) {
        if (send->command.verb == Verb::subscribe) connected_ = true;
        if (send->command.verb == Verb::acquire) tokens_.insert(send->command.args[0]);
        if (send->command.verb == Verb::acquire_all) {
          tokens_.insert(send->command.args.begin() + 1, send->command.args.end());
        }
        commands_.push_back(std::move(send->command));
      } else if (const auto* obtained = std::get_if<Obtained>(&action)) {
        RC_ASSERT(waiting_.erase(obtained->waiter) == 1U);
        for (const auto other : held_) {
          const auto& lease = *script_.leases.at(other);
          RC_ASSERT(lease.key != obtained->lease->key || lease.loss.load() != Loss::none);
        }
        held_.insert(obtained->waiter);
      } else if (const auto* refusal = std::get_if<Refusal>(&action)) {
        RC_ASSERT(waiting_.erase(refusal->waiter) == 1U);
      } else if (const auto* released = std::get_if<Released>(&action)) {
        RC_ASSERT(releasing_.erase(released->lease) == 1U);
      } else if (std::holds_alternative<Connect>(action)) {
        RC_ASSERT(!connected_ && !connecting_);
        connecting_ = true;
      } else if (std::holds_alternative<Disconnect>(action)) {
        connected_ = false;
        commands_.clear();
      }
    }
    const bool something_to_come = connecting_ || script_.engine.next_timer();
    RC_ASSERT(waiting_.empty() || something_to_come);
    RC_ASSERT(releasing_.empty() || something_to_come);
  }

  static Engine::Settings with_blocks() {
    auto settings = EngineScript::settings();
    settings.always_scripts = false;
    return settings;
  }

  EngineScript script_{EngineScript::connected, with_blocks()};
  std::int64_t counter_ = 5;
  Duration now_{};
  bool connected_ = true;
  bool connecting_ = false;
  std::deque<Command> commands_;
  std::set<std::string> tokens_;
  int last_waiter_ = 0;
  std::set<WaiterId> waiting_;
  std::set<WaiterId> held_;
  std::set<LeaseId> releasing_;
};

TEST(EngineRandom, EverybodyIsAnsweredOnceAndInTheEndNothingIsLeft) {
  const bool held = rc::check([] {
    World world;
    for (int steps = below(150); steps > 0; --steps) world.step();
    world.settle();
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::core
