// The script or Redis command for each command of the protocol.
#include "session/command_writer.hpp"

#include <initializer_list>
#include <span>
#include <string>

#include "script/scripts.hpp"

namespace dlock::detail {
namespace {

struct ScriptText {
  std::string_view text;
  std::string_view sha;
};

ScriptText script_of(const core::Command& command) {
  const bool acquires = command.verb == core::Verb::acquire;
  switch (command.kind) {
    case core::Kind::condition:
      return acquires ? ScriptText{script::condition, script::condition_sha}
                      : ScriptText{script::condition_leave, script::condition_leave_sha};
    case core::Kind::latch:
      return acquires ? ScriptText{script::latch, script::latch_sha}
                      : ScriptText{script::latch_leave, script::latch_leave_sha};
    case core::Kind::barrier:
      return acquires ? ScriptText{script::barrier, script::barrier_sha}
                      : ScriptText{script::barrier_leave, script::barrier_leave_sha};
    default:
      break;
  }
  const bool permits = command.kind == core::Kind::permits;
  switch (command.verb) {
    case core::Verb::acquire:
      return permits ? ScriptText{script::permits_acquire, script::permits_acquire_sha}
                     : ScriptText{script::acquire, script::acquire_sha};
    case core::Verb::acquire_all:
      return {script::acquire_all, script::acquire_all_sha};
    case core::Verb::release:
      return permits ? ScriptText{script::permits_release, script::permits_release_sha}
                     : ScriptText{script::release, script::release_sha};
    case core::Verb::renew:
      return permits ? ScriptText{script::permits_renew, script::permits_renew_sha}
                     : ScriptText{script::renew, script::renew_sha};
    case core::Verb::write_fence:
      return permits ? ScriptText{script::permits_write_fence, script::permits_write_fence_sha}
                     : ScriptText{script::write_fence, script::write_fence_sha};
    default:
      return {};
  }
}

}  // namespace

void CommandWriter::append_block(const core::Command& command, redis::Connection& to) {
  const std::string_view lock = command.keys[0];
  const std::string_view queue = command.keys[1];
  const std::string_view fence = command.keys[2];
  const std::string_view token = command.args[0];
  const std::string_view ttl = command.args[1];
  // One byte more, so that a longer value shows.
  const auto last = std::to_string(token.size());
  const auto put = [&to](std::initializer_list<std::string_view> fields) {
    to.append(std::span<const std::string_view>{fields.begin(), fields.size()});
  };
  put({"MULTI"});
  put({"SET", lock, token, "NX", "PX", ttl});
  put({"GETRANGE", lock, "0", last});
  put({"INCR", fence});
  put({"EXISTS", queue});
  put({"EXEC"});
}

void CommandWriter::append_delete(const core::Command& command, redis::Connection& to) {
  const std::string_view lock = command.keys[0];
  const std::string_view token = command.args[0];
  switch (to.delete_if_equal()) {
    case redis::DeleteIfEqual::delifeq:
      fields_ = {"DELIFEQ", lock, token};
      break;
    case redis::DeleteIfEqual::delex:
      fields_ = {"DELEX", lock, "IFEQ", token};
      break;
    case redis::DeleteIfEqual::none:
      fields_ = {command.whole ? "EVAL" : "EVALSHA",
                 command.whole ? script::release_bare : script::release_bare_sha, "1", lock, token};
      break;
  }
  to.append(fields_);
}

void CommandWriter::append(const core::Command& command, redis::Connection& to) {
  if (command.bare) {
    command.verb == core::Verb::acquire ? append_block(command, to) : append_delete(command, to);
    return;
  }
  fields_.clear();
  std::string key_count;
  switch (command.verb) {
    case core::Verb::acquire:
    case core::Verb::acquire_all:
    case core::Verb::release:
    case core::Verb::renew:
    case core::Verb::write_fence: {
      const auto script = script_of(command);
      key_count = std::to_string(command.keys.size());
      fields_.insert(fields_.end(), {command.whole ? "EVAL" : "EVALSHA",
                                     command.whole ? script.text : script.sha, key_count});
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
