// The script or Redis command for each command of the protocol.
#include "session/command_writer.hpp"

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

const script::Script& script_of(const core::Command& command) {
  const bool acquires = command.verb == core::Verb::acquire;
  switch (command.kind) {
    case core::Kind::condition:
      return acquires ? script::condition : script::condition_leave;
    case core::Kind::latch:
      return acquires ? script::latch : script::latch_leave;
    case core::Kind::barrier:
      return acquires ? script::barrier : script::barrier_leave;
    default:
      break;
  }
  const bool permits = command.kind == core::Kind::permits;
  switch (command.verb) {
    case core::Verb::acquire:
      return permits ? script::permits_acquire : script::acquire;
    case core::Verb::acquire_all:
      return script::acquire_all;
    case core::Verb::release:
      return permits ? script::permits_release : script::release;
    case core::Verb::renew:
      return permits ? script::permits_renew : script::renew;
    case core::Verb::write_fence:
      return permits ? script::permits_write_fence : script::write_fence;
    default:
      break;
  }
  std::abort();  // no script
}

class Decimal {
 public:
  explicit Decimal(std::int64_t number)
      : size_(static_cast<std::size_t>(
            std::to_chars(text_.data(), text_.data() + text_.size(), number).ptr - text_.data())) {}
  [[nodiscard]] std::string_view text() const { return {text_.data(), size_}; }

 private:
  std::array<char, 20> text_{};
  std::size_t size_;
};

constexpr bool field = true;
constexpr std::size_t block_replies = 6;
constexpr std::size_t no_reply = 0;  ///< of the rest of a command
constexpr std::string_view eval = "$4\r\nEVAL\r\n";
constexpr std::string_view evalsha = "$7\r\nEVALSHA\r\n";

}  // namespace

// The parts that never change are written as they go over the network.
void CommandWriter::append_block(const core::LockCommand& words, redis::Connection& to) {
  const std::string_view token = words.token;
  const Decimal ttl{words.span_ms};
  const Decimal last{static_cast<std::int64_t>(token.size())};  // a longer value shows
  to.append_pieces({{"*1\r\n$5\r\nMULTI\r\n*6\r\n$3\r\nSET\r\n"},
                    {words.lock.text(), field},
                    {token, field},
                    {"$2\r\nNX\r\n$2\r\nPX\r\n"},
                    {ttl.text(), field},
                    {"*4\r\n$8\r\nGETRANGE\r\n"},
                    {words.lock.text(), field},
                    {"$1\r\n0\r\n"},
                    {last.text(), field},
                    {"*2\r\n$4\r\nINCR\r\n"},
                    {words.fence_key(), field},
                    {"*2\r\n$6\r\nEXISTS\r\n"},
                    {words.lock.queue(), field},
                    {"*1\r\n$4\r\nEXEC\r\n"}},
                   block_replies);
}

void CommandWriter::append_delete(const core::LockCommand& words, bool whole,
                                  redis::Connection& to) {
  const std::string_view lock = words.lock;
  const std::string_view token = words.token;
  switch (to.delete_if_equal()) {
    case redis::DeleteIfEqual::delifeq:
      to.append_pieces({{"*3\r\n$7\r\nDELIFEQ\r\n"}, {lock, field}, {token, field}});
      break;
    case redis::DeleteIfEqual::delex:
      to.append_pieces(
          {{"*4\r\n$5\r\nDELEX\r\n"}, {lock, field}, {"$4\r\nIFEQ\r\n"}, {token, field}});
      break;
    case redis::DeleteIfEqual::none:
      to.append_pieces({{whole ? "*5\r\n$4\r\nEVAL\r\n" : "*5\r\n$7\r\nEVALSHA\r\n"},
                        {to.word_for(script::release_bare, whole), field},
                        {"$1\r\n1\r\n"},
                        {lock, field},
                        {token, field}});
      break;
  }
}

void CommandWriter::append_acquire(const core::Command& command, redis::Connection& to) {
  const auto& words = *command.lock;
  const auto queue = words.lock.queue();
  const Decimal ttl{words.span_ms};
  const Decimal number{words.number};
  const bool has_number = command.kind == core::Kind::permits || words.number != 0;
  to.append_pieces({{words.seal ? "*14\r\n" : "*13\r\n"},
                    {command.whole ? eval : evalsha},
                    {to.word_for(script_of(command), command.whole), field},
                    {"$1\r\n4\r\n"},
                    {words.lock.text(), field},
                    {queue, field},
                    {core::put_seen(queue, seen_), field},
                    {words.fence_key(), field},
                    {words.token, field},
                    {ttl.text(), field},
                    {words.mode, field},
                    {words.ticket, field},
                    {words.old, field},
                    {has_number ? number.text() : std::string_view{}, field}});
  if (words.seal) {
    to.append_pieces({{core::Seal{*words.seal}.text(), field}}, no_reply);
  }
}

void CommandWriter::append_release(const core::Command& command, redis::Connection& to) {
  const auto& words = *command.lock;
  const auto queue = words.lock.queue();
  to.append_pieces({{words.span_ms != 0 ? "*9\r\n" : "*8\r\n"},
                    {command.whole ? eval : evalsha},
                    {to.word_for(script_of(command), command.whole), field},
                    {"$1\r\n4\r\n"},
                    {words.lock.text(), field},
                    {queue, field},
                    {core::put_seen(queue, seen_), field},
                    {words.fence_key(), field},
                    {words.token, field}});
  if (words.span_ms != 0) {
    to.append_pieces({{Decimal{words.span_ms}.text(), field}}, no_reply);
  }
}

void CommandWriter::append_renewals(const core::Command& command, redis::Connection& to) {
  const auto leases = static_cast<std::int64_t>(command.renewals.size());
  const bool has_sequences = command.kind == core::Kind::mutex;
  const auto& script = script_of(command);
  const Decimal key_count{1 + 3 * leases};
  const Decimal field_count{3 + 1 + 3 * leases + 1 + (has_sequences ? 4 : 3) * leases};
  to.append_pieces({{"*"},
                    {field_count.text()},
                    {"\r\n"},
                    {command.whole ? eval : evalsha},
                    {to.word_for(script, command.whole), field},
                    {key_count.text(), field},
                    {command.keys.front(), field}});
  for (const auto& lease : command.renewals) {
    const auto queue = lease.lock.queue();
    to.append_pieces(
        {{lease.lock.text(), field}, {queue, field}, {core::put_seen(queue, seen_), field}},
        no_reply);
  }
  to.append_pieces({{command.args.front(), field}}, no_reply);
  for (const auto& lease : command.renewals) {
    const Decimal ttl{lease.ttl_ms};
    const Decimal sequence{lease.sequence};
    const Decimal counter{lease.counter};
    to.append_pieces({{lease.token, field}, {ttl.text(), field}}, no_reply);
    if (has_sequences) {
      to.append_pieces({{sequence.text(), field}}, no_reply);
    }
    to.append_pieces({{counter.text(), field}}, no_reply);
  }
}

void CommandWriter::append(const core::Command& command, redis::Connection& to) {
  if (command.lock) {
    const auto& words = *command.lock;
    if (command.verb == core::Verb::acquire) {
      command.bare ? append_block(words, to) : append_acquire(command, to);
    } else {
      command.bare ? append_delete(words, command.whole, to) : append_release(command, to);
    }
    return;
  }
  if (command.verb == core::Verb::renew) {
    append_renewals(command, to);
    return;
  }
  fields_.clear();
  std::string key_count;
  switch (command.verb) {
    case core::Verb::acquire:
    case core::Verb::acquire_all:
    case core::Verb::release:
    case core::Verb::write_fence: {
      const auto& script = script_of(command);
      key_count = std::to_string(command.keys.size());
      fields_.insert(fields_.end(), {command.whole ? "EVAL" : "EVALSHA",
                                     to.word_for(script, command.whole), key_count});
      break;
    }
    case core::Verb::subscribe:
      fields_.emplace_back("SSUBSCRIBE");
      break;
    case core::Verb::enroll:
      fields_.emplace_back("SET");
      break;
    case core::Verb::withdraw:
      fields_.emplace_back("DEL");
      break;
    case core::Verb::ping:
      fields_.emplace_back("PING");
      break;
    case core::Verb::watch:
      fields_.emplace_back("EXISTS");
      break;
    case core::Verb::renew:
      break;  // see above
  }
  fields_.insert(fields_.end(), command.keys.begin(), command.keys.end());
  if (command.verb == core::Verb::enroll) {
    fields_.insert(fields_.end(), {command.args[0], "PX", command.args[1]});
  } else {
    fields_.insert(fields_.end(), command.args.begin(), command.args.end());
  }
  to.append(fields_);
}

}  // namespace dlock::detail
