// Error replies of the server: what each means for a lock, and what to do next.
#include <algorithm>
#include <array>

#include "core/wire/text.hpp"
#include "redis/connection.hpp"

namespace dlock::redis {
namespace {

struct Meaning {
  std::string_view word;  // the first of the reply, also when a script passes it on
  errc code;
  std::string_view what;
};

constexpr std::string_view moving_slot =
    "the lock's slot is moving to another node of the cluster; try again when it is there";

constexpr std::array meanings{
    Meaning{"READONLY", errc::read_only,
            "the server is a read-only replica; use the URL of its primary"},
    Meaning{"LOADING", errc::loading,
            "the server is still loading its data; try again when it has finished"},
    Meaning{"MASTERDOWN", errc::store_unusable,
            "the server is a replica that has lost its primary; use the URL of the primary"},
    Meaning{"OOM", errc::out_of_memory,
            "the server has reached maxmemory; give it more memory or delete other keys (its "
            "maxmemory-policy should be noeviction, which never drops a lock)"},
    Meaning{"NOAUTH", errc::refused,
            "the server wants a password; put it into the URL, as in "
            "redis://user:password@host or redis://:password@host"},
    Meaning{"WRONGPASS", errc::refused,
            "the server does not accept this user and password, or the user is disabled; correct "
            "them in the URL"},
    Meaning{"DENIED", errc::refused,
            "the server is in protected mode and accepts connections from its own machine only; "
            "set a password there (requirepass), or switch protected-mode off"},
    Meaning{"WRONGTYPE", errc::not_a_lock,
            "a key is in use for something that is not a lock of this kind; choose another name or "
            "set a prefix"},
    Meaning{"MISCONF", errc::store_unusable,
            "the server cannot save to its disk and therefore accepts no writes; see its log and "
            "free disk space"},
    Meaning{"NOREPLICAS", errc::store_unusable,
            "the server has too few connected replicas to accept writes (min-replicas-to-write); "
            "bring them back"},
    Meaning{"BUSY", errc::store_unusable,
            "the server is busy with a long script; wait for it, or end it with SCRIPT KILL"},
    Meaning{"NOSCRIPT", errc::store_unusable,
            "the server has forgotten one of dlock's scripts; try again"},
    Meaning{"MOVED", errc::store_unusable, "the key is on another node of the cluster; try again"},
    Meaning{"ASK", errc::store_unusable, moving_slot},
    Meaning{"TRYAGAIN", errc::store_unusable, moving_slot},
    Meaning{
        "CROSSSLOT", errc::store_unusable,
        "the keys are on different nodes of the cluster; names with the same {tag} share a node"},
    Meaning{"CLUSTERDOWN", errc::store_unusable,
            "the cluster has no majority of its primaries, or no node has this slot; see CLUSTER "
            "INFO on its nodes"},
    Meaning{"EXECABORT", errc::store_unusable,
            "the server refused one command of a transaction and ran none of it; the error before "
            "this one says why"},
};

bool contains(std::string_view text, std::string_view part) { return text.find(part) != text.npos; }

// The word in quotes after `before`; empty when there is none.
std::string quoted_after(std::string_view text, std::string_view before) {
  auto start = text.find(before);
  if (start == text.npos) return {};
  start += before.size();
  return std::string{text.substr(start, text.find('\'', start) - start)};
}

bool is_missing_right(std::string_view text) {
  return text.starts_with("NOPERM") || contains(text, "The user executing the script can't") ||
         contains(text, "ACL failure in script");
}

// Redis 7.0, 7.2 and Valkey word these differently; inside a script 7.0 begins them with ERR.
std::string name_missing_right(std::string_view text) {
  const std::string grant = "grant it with ACL SETUSER and ";
  const auto command = quoted_after(text, "run the '");
  if (!command.empty()) {
    return "this user may not run the command " + command + "; " + grant + "+" + command;
  }
  if (contains(text, "channel")) {
    return "this user may not use the channels of dlock; " + grant + "&dlock1:*";
  }
  if (contains(text, " key")) {
    return "this user may not access the key of this lock, or those that dlock keeps beside it; " +
           grant + "a pattern that matches the key and the names dlock1:* and dlock1:{*, or ~*";
  }
  return "this user may not run a command that the scripts of dlock use; " + grant +
         "+@read +@write +@pubsub +@scripting +time, or what 'dlock doctor' says is missing";
}

std::string cut(std::string_view text) {
  constexpr std::size_t max = 200;
  return core::escaped(text.substr(0, max)) + (text.size() > max ? "..." : "");
}

}  // namespace

bool is_of_several_slots(std::string_view error_reply) {
  return error_reply.starts_with("CROSSSLOT") || contains(error_reply, "same slot");
}

bool is_of_first_line(std::string_view error_reply) {
  return contains(error_reply, "near '#") || contains(error_reply, "shebang") ||
         contains(error_reply, "nvalid flag");
}

ServerError classify(std::string_view error_reply) {
  if (is_missing_right(error_reply)) return {errc::refused, name_missing_right(error_reply)};
  const auto word = error_reply.substr(0, error_reply.find(' '));
  const auto known = std::ranges::find(meanings, word, &Meaning::word);
  if (known != meanings.end()) {
    return {known->code, std::string{known->what}};
  }
  if (contains(error_reply, "max number of clients reached")) {
    return {
        errc::store_unusable,
        "the server has reached its limit of clients (maxclients); close some or raise the limit"};
  }
  if (contains(error_reply, "unknown command") || contains(error_reply, "nknown Redis command")) {
    const auto command = quoted_after(error_reply, "command '");
    return {errc::store_unusable,
            "the server does not know " +
                (command.empty() ? "a command" : "the command " + command) +
                "; Redis 7.0 or newer, or Valkey, is needed, with no commands renamed"};
  }
  return {errc::store_unusable, "the server answered with an error: " + cut(error_reply)};
}

}  // namespace dlock::redis
