// QuorumScript: a quorum, and what its router does as lines of text.
#include "core/quorum/quorum_script.hpp"

#include "core/wire/sha1.hpp"
#include "support/spelled_out.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "core/engine/engine_script.hpp"

namespace dlock::core {
namespace {

constexpr Instant start = Instant{} + std::chrono::hours{1};

std::string text_of(const Command& command) {
  switch (command.verb) {
    case Verb::acquire:
      return command.kind == Kind::permits
                 ? "acquire " + command.args.at(2) +
                       (command.args.at(3).empty() ? "" : " at " + command.args.at(3))
                 : "acquire";
    case Verb::release:
      return "release";
    case Verb::renew:
      return command.kind == Kind::permits || command.args.at(3) == "0"
                 ? "renew"
                 : "renew ." + command.args.at(3);
    case Verb::write_fence:
      return "write_fence " + command.args.at(2) +
             (command.kind == Kind::permits ? " " + command.args.at(3) : "");
    case Verb::subscribe:
      return "subscribe";
    case Verb::enroll:
      return "enroll";
    default:
      return "something else";
  }
}

std::string text_of(const std::vector<std::string>& lines) {
  std::string text;
  for (const auto& line : lines) text += "  " + line + "\n";
  return text.empty() ? "  nothing\n" : text;
}

}  // namespace

Router::Settings QuorumScript::settings(std::size_t servers) {
  Router::Settings settings{Router::Mode::quorum, servers, EngineScript::settings()};
  // Half of a wait is all of it.
  settings.engine.random = [calls = std::uint64_t{0}](std::span<RandomBits> bits) mutable {
    for (auto& some : bits) some = {++calls, 0};
  };
  return settings;
}

QuorumScript::QuorumScript(std::size_t servers)
    : now_(start), router_(settings(servers)), commands_(servers), connecting_(servers) {
  for (std::size_t node = 0; node < servers; ++node) {
    connect(static_cast<char>('a' + node));
  }
  forget();
}

QuorumScript& QuorumScript::at(Duration when) {
  now_ = start + when;
  return *this;
}

void QuorumScript::reply(char server, std::string_view text) {
  auto& commands = commands_.at(place(server));
  ASSERT_FALSE(commands.empty()) << "nothing was asked of " << server;
  const auto command = std::move(commands.front());
  commands.pop_front();
  const auto& first = command.args.empty() ? std::string{} : command.args.front();
  std::string whole;
  if (command.verb == Verb::renew) {
    whole = first + " ";
  } else if (!first.empty() && command.verb != Verb::enroll) {
    whole = std::string{echo_of(first)} + " ";
  }
  whole += text;
  router_.on_reply(now_, place(server), {.text = whole});
  note();
}

void QuorumScript::error(char server, errc code) {
  commands_.at(place(server)).pop_front();
  router_.on_reply(
      now_, place(server),
      {.text = "ERR", .is_error = true, .code = code, .what = "refused by the server"});
  note();
}

void QuorumScript::disconnect(char server) {
  commands_.at(place(server)).clear();
  router_.on_disconnected(now_, place(server), "reset by peer");
  note();
}

void QuorumScript::connect_fails(char server, errc code) {
  connecting_.at(place(server)) = false;
  router_.on_connect_failed(now_, place(server), code, "no connection");
  note();
}

void QuorumScript::connect(char server) {
  connecting_.at(place(server)) = false;
  router_.on_connected(now_, place(server), true);
  note();
  reply(server, "OK");
  reply(server, "OK");
}

void QuorumScript::message(char server, std::string_view text) {
  std::string message{text};
  if (text.starts_with("grant ")) {
    const auto proof = sha1_of({"11.12 ", message, " 11.12"});  // the seal of every lock
    message.append(" ").append(proof.text());
  }
  router_.on_message(now_, place(server), message);
  note();
}

void QuorumScript::pass_until(Duration when) {
  for (;;) {
    const auto next = router_.next_timer();
    if (next > start + when) break;
    now_ = std::max(now_, next);
    router_.on_timer(now_);
    note();
  }
  at(when);
}

void QuorumScript::obtain(WaiterId waiter, AcquireRequest wish) {
  acquire(waiter, std::move(wish));
  for (std::size_t node = 0; node < router_.servers(); ++node) {
    reply(static_cast<char>('a' + node), "acquired 5");
  }
  forget();
}

void QuorumScript::note() {
  std::vector<Action> actions;
  while (const auto server = router_.take_actions(actions)) {
    for (const auto& action : actions) {
      carry_out(*server, action);
      tell(action);
    }
  }
}

void QuorumScript::carry_out(ServerId node, const Action& action) {
  const auto server = static_cast<char>('a' + node);
  if (const auto* send = std::get_if<Send>(&action)) {
    const auto command = test::spelled_out(send->command);
    if (command.verb == Verb::acquire) tokens[server] = command.args.at(0);
    commands_[node].push_back(command);
    lines_.push_back(std::string{server} + " " + text_of(command));
  } else if (std::holds_alternative<Connect>(action)) {
    connecting_[node] = true;
  } else if (std::holds_alternative<Disconnect>(action)) {
    commands_[node].clear();
  }
}

void QuorumScript::tell(const Action& action) {
  const auto holder = [this](LeaseId lease) {
    for (const auto& [waiter, record] : leases) {
      if (record->id == lease) return std::to_string(waiter);
    }
    return std::string{"nobody"};
  };
  if (const auto* obtained = std::get_if<Obtained>(&action)) {
    leases[obtained->waiter] = obtained->lease;
    lines_.push_back(std::to_string(obtained->waiter) + " obtained " +
                     std::to_string(obtained->lease->fence.counter) + "." +
                     std::to_string(obtained->lease->fence.sequence));
  } else if (const auto* refused = std::get_if<Refusal>(&action)) {
    static constexpr const char* kinds[] = {"busy", "timed out", "cancelled", "failed"};
    refusal = refused->what;
    lines_.push_back(std::to_string(refused->waiter) + " " +
                     kinds[static_cast<int>(refused->kind)] +
                     (refused->kind != Refusal::Kind::failed ? ""
                      : refused->code == errc::unreachable   ? ": unreachable"
                      : refused->code == errc::not_a_lock    ? ": not_a_lock"
                      : refused->code == errc::usage         ? ": usage"
                                                             : ": another error"));
  } else if (const auto* released = std::get_if<Released>(&action)) {
    static constexpr const char* kinds[] = {"released", "not held", "released or not"};
    lines_.push_back(holder(released->lease) + " " + kinds[static_cast<int>(released->kind)]);
  } else if (const auto* lost = std::get_if<Lost>(&action)) {
    static constexpr const char* why[] = {"none",   "expired",  "gone",   "taken",
                                          "broken", "max_hold", "time_up"};
    lines_.push_back(holder(lost->lease->id) +
                     " lost: " + why[static_cast<int>(lost->lease->loss.load())]);
  }
}

void QuorumScript::expect(const std::vector<std::string>& lines, std::source_location where) {
  const auto actual = std::exchange(lines_, {});
  if (actual != lines) {
    ADD_FAILURE_AT(where.file_name(), static_cast<int>(where.line()))
        << "expected\n"
        << text_of(lines) << "but came\n"
        << text_of(actual);
  }
}

Duration QuorumScript::end(WaiterId waiter) const { return leases.at(waiter)->end() - start; }

}  // namespace dlock::core
