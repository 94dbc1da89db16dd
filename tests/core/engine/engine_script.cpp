// EngineScript: names, and actions as lines of text.
#include "core/engine/engine_script.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "core/wire/sha1.hpp"
#include "support/spelled_out.hpp"

namespace dlock::core {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;

std::string_view name_of(errc code) {
  switch (code) {
    case errc::unreachable:
      return "unreachable";
    case errc::refused:
      return "refused";
    case errc::loading:
      return "loading";
    case errc::read_only:
      return "read_only";
    case errc::not_a_lock:
      return "not_a_lock";
    case errc::usage:
      return "usage";
    default:
      return "another error";
  }
}

std::string_view name_of(Loss loss) {
  switch (loss) {
    case Loss::none:
      return "none";
    case Loss::expired:
      return "expired";
    case Loss::gone:
      return "gone";
    case Loss::time_up:
      return "time_up";
    case Loss::taken:
      return "taken";
    case Loss::broken:
      return "broken";
    case Loss::max_hold:
      return "max_hold";
  }
  return "?";
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "  " + line + "\n";
  return text.empty() ? "  nothing\n" : text;
}

}  // namespace

EngineScript::EngineScript(Start start, Engine::Settings settings)
    : engine(std::move(settings)), now_(Instant{} + base) {
  if (start == connected) open();
}

Engine::Settings EngineScript::settings() {
  Engine::Settings settings;
  settings.client = "c11e47c11e47c11e";
  settings.registration = "{}";
  settings.always_scripts = true;
  settings.random = [calls = std::uint64_t{0}](std::span<RandomBits> bits) mutable {
    for (auto& some : bits) some = {++calls << 32, 0};
  };
  return settings;
}

// --- events -------------------------------------------------------------------------------------

void EngineScript::acquire_all(std::initializer_list<std::string> names) {
  std::vector<std::pair<WaiterId, AcquireRequest>> wishes;
  for (const auto& name : names)
    wishes.emplace_back(wishes.size() + 1, AcquireRequest{.key = name});
  acquire_all(std::move(wishes));
}

void EngineScript::reply(std::string_view text) {
  const auto words = spell_out(text, true);
  engine.on_reply(now_, {.text = words});
  note();
}

void EngineScript::block(std::string_view text) {
  Words words{text};
  const auto outcome = words.next();
  const auto value = spell_out(words.next(), false);
  Reply reply;
  reply.refuses_blocks = outcome == "refused";
  if (outcome != "refused" && outcome != "unknown") {
    reply.block = BlockReply{.was_free = outcome == "free",
                             .value = value,
                             .is_other_type = outcome == "other",
                             .counter = 0,
                             .has_queue = text.ends_with(" queue")};
    static_cast<void>(parse_number(words.next(), reply.block->counter));
  }
  engine.on_reply(now_, reply);
  note();
}

void EngineScript::error(errc code, std::string_view text) {
  engine.on_reply(now_,
                  {.text = text, .is_error = true, .code = code, .what = "refused by the server"});
  note();
}

void EngineScript::passing_error() {
  engine.on_reply(now_, {.text = "LOADING",
                         .is_error = true,
                         .passing = true,
                         .code = errc::loading,
                         .what = "wait a little"});
  note();
}

void EngineScript::moving_error() {
  engine.on_reply(now_, {.text = "TRYAGAIN",
                         .is_error = true,
                         .passing = true,
                         .moving = true,
                         .code = errc::store_unusable,
                         .what = "it moves"});
  note();
}

void EngineScript::noscript() {
  engine.on_reply(now_, {.text = "NOSCRIPT",
                         .is_error = true,
                         .unknown_script = true,
                         .code = errc::store_unusable,
                         .what = "no such script"});
  note();
}

void EngineScript::message(std::string_view text) {
  auto words = spell_out(text, false);
  if (text.starts_with("grant ")) {
    const auto proof = sha1_of({seal, " ", words, " ", seal});
    words.append(" ").append(proof.text());
  }
  engine.on_message(now_, words);
  note();
}

void EngineScript::forged(std::string_view text) {
  engine.on_message(now_, spell_out(text, false));
  note();
}

void EngineScript::open(bool old_is_dead) {
  on_connected(old_is_dead);
  reply("OK");
  reply("OK");
  take();
}

void EngineScript::reopen(std::initializer_list<std::string> sent, bool old_is_dead,
                          std::source_location where) {
  on_connected(old_is_dead);
  std::vector<std::string> lines{"subscribe", "enroll"};
  lines.insert(lines.end(), sent.begin(), sent.end());
  expect(lines, where);
  reply("OK");
  reply("OK");
}

void EngineScript::obtain(WaiterId waiter, AcquireRequest wish) {
  acquire(waiter, std::move(wish));
  reply("T" + std::to_string(tokens_.size()) + " acquired 5");
  take();
}

void EngineScript::queue(WaiterId waiter, AcquireRequest wish) {
  acquire(waiter, std::move(wish));
  reply(queued("T" + std::to_string(tokens_.size())));
  take();
}

std::string EngineScript::queued(std::string_view token, Duration left, int place) {
  const auto left_ms = std::chrono::duration_cast<milliseconds>(left).count();
  return std::string{token} + " queued " + std::to_string(left_ms) + " " + std::to_string(place) +
         " 77 1000000 ours:" + std::string{seal};
}

// --- expectations -------------------------------------------------------------------------------

std::vector<Action> EngineScript::take() {
  lines_.clear();
  return std::exchange(actions_, {});
}

void EngineScript::expect(const std::vector<std::string>& lines, std::source_location where) {
  const std::vector<std::string> expected{lines};
  const auto actual = lines_;
  take();
  if (actual != expected) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << "expected\n"
        << joined(expected) << "but came\n"
        << joined(actual);
  }
}

void EngineScript::expect_timer(std::optional<Duration> when, std::source_location where) {
  const auto show = [](std::optional<Duration> span) {
    return span ? std::to_string(std::chrono::ceil<microseconds>(*span).count()) + " us" : "none";
  };
  std::optional<Duration> actual;
  if (const auto next = engine.next_timer()) actual = *next - (Instant{} + base);
  // Rounded, for the last trace of jitter.
  if (show(actual) != show(when)) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << "expected the timer " << show(when) << " but it is " << show(actual);
  }
}

void EngineScript::expect_idle(std::source_location where) {
  if (!engine.idle() || engine.next_timer()) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << (engine.idle() ? "a timer is left" : "waits, leases or releases are left");
  }
}

void EngineScript::note() {
  for (auto& action : engine.take_actions()) {
    if (const auto* report = std::get_if<Report>(&action)) {
      reports.push_back(report->text);
    } else {
      if (auto* send = std::get_if<Send>(&action)) {
        send->command = test::spelled_out(std::move(send->command));
      }
      lines_.push_back(line(action));
      actions_.push_back(std::move(action));
    }
  }
}

// --- actions as lines ---------------------------------------------------------------------------

std::string EngineScript::line(const Action& action) {
  if (const auto* send = std::get_if<Send>(&action)) return line(send->command);
  if (const auto* obtained = std::get_if<Obtained>(&action)) {
    leases[obtained->waiter] = obtained->lease;
    const auto& fence = obtained->lease->fence;
    return std::to_string(obtained->waiter) + " obtained " + std::to_string(fence.counter) + "." +
           std::to_string(fence.sequence);
  }
  if (const auto* refusal = std::get_if<Refusal>(&action)) {
    const auto waiter = std::to_string(refusal->waiter);
    switch (refusal->kind) {
      case Refusal::Kind::busy:
        return waiter + " busy";
      case Refusal::Kind::timed_out:
        return waiter + " timed out";
      case Refusal::Kind::cancelled:
        return waiter + " cancelled";
      case Refusal::Kind::failed:
        return waiter + " failed: " + std::string{core::name_of(refusal->code)};
    }
  }
  if (const auto* released = std::get_if<Released>(&action)) {
    const auto waiter = std::to_string(holder(released->lease));
    switch (released->kind) {
      case Released::Kind::released:
        return waiter + " released";
      case Released::Kind::not_held:
        return waiter + " not held";
      case Released::Kind::unknown:
        return waiter + " released or not";
    }
  }
  if (const auto* lost = std::get_if<Lost>(&action)) {
    return std::to_string(holder(lost->lease->id)) +
           " lost: " + std::string{core::name_of(lost->lease->loss.load())};
  }
  if (const auto* renewed = std::get_if<Renewed>(&action)) {
    return std::to_string(holder(renewed->lease)) + " renewed";
  }
  if (const auto* blocked = std::get_if<RenewalBlocked>(&action)) {
    return std::to_string(holder(blocked->lease->id)) + " blocked";
  }
  if (const auto* written = std::get_if<FenceWritten>(&action)) {
    return std::to_string(holder(written->lease)) + (written->passed ? " passed"
                                                     : written->done ? " written"
                                                                     : " written or not");
  }
  if (const auto* queued = std::get_if<Queued>(&action)) {
    return std::to_string(queued->waiter) + (queued->heard ? " queued" : " not heard");
  }
  if (std::holds_alternative<Unanswered>(action)) return "unanswered";
  return std::holds_alternative<Connect>(action) ? "connect" : "disconnect";
}

std::string EngineScript::line(const Command& command) {
  const bool permits = command.kind == Kind::permits;
  const bool gate = is_gate(command.kind);
  const std::string whole = std::string{permits ? " permits" : ""} + (gate ? " at a gate" : "") +
                            (command.whole ? " in full" : "");
  switch (command.verb) {
    case Verb::acquire: {
      const auto& args = command.args;
      if (command.bare) {
        return "acquire bare " + command.keys[0] + " " + name_of(args[0]) + " " + args[1];
      }
      auto text = "acquire " + command.keys[0] + " " + name_of(args[0]) + " " + args[1];
      text += args[2] == "wait" ? "" : " " + args[2];  // or "try", "keep"
      text += args[3].empty() ? "" : " ticket " + args[3];
      text += args[4].empty() ? "" : " giving up " + name_of(args[4]);
      if (permits) {
        return text + " " + std::to_string(weight_of(args[0]).value_or(0)) + " of " + args[5] +
               whole;
      }
      for (std::size_t i = 5; gate && i < args.size(); ++i) {
        text += " " + args[i];
      }
      return text + whole;
    }
    case Verb::acquire_all: {
      std::string text = "acquire all " + command.args[0];
      for (std::size_t i = 1; i < command.args.size(); ++i) {
        text += " " + command.keys[3 * i - 2] + " " + name_of(command.args[i]);
      }
      return text + whole;
    }
    case Verb::release:
      return (command.bare ? "release bare " : "release ") + command.keys[0] + " " +
             name_of(command.args[0]) +
             (command.args.size() > 1 ? " kept for " + command.args[1] : "") + whole;
    case Verb::renew: {
      std::string text = "renew";
      const std::size_t words = permits ? 3 : 4;  // for each lease
      for (std::size_t i = 1, key = 1; i < command.args.size(); i += words, key += 3) {
        text += " " + command.keys[key] + " " + name_of(command.args[i]) + " " +
                command.args[i + 1] + " ." + command.args[i + 2];
      }
      return text + whole;
    }
    case Verb::write_fence:
      return "write_fence " + command.keys[0] + " " + name_of(command.args[0]) + " " +
             command.args[1] + " to " + command.args[2] + (permits ? " " + command.args[3] : "") +
             whole;
    case Verb::subscribe:
      return "subscribe";
    case Verb::enroll:
      return "enroll";
    case Verb::withdraw:
      return "withdraw";
    case Verb::ping:
      return "ping";
    case Verb::watch: {
      std::string text = "watch";
      for (const auto& key : command.keys) text += " " + key;
      return text;
    }
  }
  return "?";
}

std::string EngineScript::name_of(std::string_view token) {
  const auto [name, is_new] = numbers_.try_emplace(std::string{token}, tokens_.size() + 1);
  if (is_new) tokens_.push_back(name->first);
  return "T" + std::to_string(name->second);
}

std::string EngineScript::spell_out(std::string_view text, bool is_reply) const {
  std::string result;
  Words words{text};
  for (auto word = words.next(); !word.empty(); word = words.next()) {
    std::size_t number = 0;
    const bool named = word.starts_with('T') && parse_number(word.substr(1), number);
    const bool first = result.empty();
    result += first ? "" : " ";
    if (!named) {
      result += word;
    } else {
      const auto& token = tokens_.at(number - 1);
      result += first && is_reply ? echo_of(token) : std::string_view{token};
    }
  }
  return result;
}

WaiterId EngineScript::holder(LeaseId lease) const {
  const auto found = std::find_if(leases.begin(), leases.end(),
                                  [&](const auto& entry) { return entry.second->id == lease; });
  return found == leases.end() ? 0 : found->first;
}

}  // namespace dlock::core
