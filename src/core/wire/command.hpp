// Commands: the engine's requests to the server, and its replies.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"

namespace dlock::core {

/// The kinds of commands. The first five run the script of that name for the command's kind of
/// lock.
enum class Verb : std::uint8_t {
  acquire,
  acquire_all,  ///< mutexes only
  release,
  renew,
  write_fence,
  subscribe,  ///< SSUBSCRIBE keys...
  enroll,     ///< SET key value PX life: this client's registration
  withdraw,   ///< DEL key: the registration again
  ping,       ///< PING
  watch,      ///< EXISTS keys..., so that the server tells of the next change of each
};

/// An acquire or a release of a mutex or of permits. Its words are made when it is written, so that
/// it allocates nothing.
struct LockCommand {
  Key lock;
  Token token;
  std::int64_t span_ms = 0;  ///< acquire: the ttl; release: how long the lock stays closed
  std::optional<std::string> own_fence_key{};  ///< none: all locks share one
  // For the script that acquires:
  std::string_view mode{};           ///< a literal
  std::string ticket{};              ///< the place in the queue, or empty
  Token old{};                       ///< the token to release in the same step, or empty
  std::int64_t number = 0;           ///< permits: the capacity; else a recent fence counter, or 0
  std::optional<RandomBits> seal{};  ///< to wait

  [[nodiscard]] std::string_view fence_key() const {
    return own_fence_key ? std::string_view{*own_fence_key} : core::fence_key;
  }
};

/// A lease in a call of the renewal script.
struct LeaseRenewal {
  Key lock;
  Token token;
  std::int64_t ttl_ms = 0;
  std::int64_t counter = 0;  ///< of its fence
  int sequence = 0;          ///< of its fence; not of permits
};

/// One command. Replies come in the order of commands, so a command carries no number.
struct Command {
  Verb verb{};
  bool whole = false;  ///< scripts: send the text, since the server does not know its digest
  std::vector<std::string> keys;
  std::vector<std::string> args;
  Kind kind = Kind::mutex;  ///< scripts: the kind of lock
  /// acquire, release: without the script, for a mutex that nobody waits for. To acquire: a block
  /// of SET NX, GETRANGE, INCR and EXISTS; to release: the deletion of a key with just this value.
  bool bare = false;
  /// acquire, release: of all but gates, in place of `keys` and `args`.
  std::optional<LockCommand> lock{};
  /// renew: the leases. `keys` has the fence key alone, and `args` the echo: a client with many
  /// leases makes no copies of words.
  std::vector<LeaseRenewal> renewals{};
};

/// The results of the block of a bare acquire.
struct BlockReply {
  bool was_free = false;       ///< the token has the lock
  std::string_view value{};    ///< the beginning of the key's value: the token and one byte more
  bool is_other_type = false;  ///< the key holds no string
  std::int64_t counter = 0;    ///< the next fence; 0: the server has no good counter
  bool has_queue = false;      ///< somebody waits
};

/// A reply. Error replies arrive classified by the layer that read them.
struct Reply {
  std::string_view text{};  ///< the reply, or the server's error message
  bool is_error = false;
  bool unknown_script = false;  ///< NOSCRIPT
  bool passing = false;         ///< a state that ends by itself: loading, busy with a script
  bool moving = false;          ///< ... the slot moves to another node of the cluster
  errc code{};                  ///< of an error
  std::string what{};           ///< of an error: the sentence for people
  /// To a bare acquire. Without it and without an error, the outcome is unknown; with an error, the
  /// block was not run.
  std::optional<BlockReply> block{};
  bool refuses_blocks = false;  ///< this user may not run such blocks
  /// To a watch: the server tells of no changes, for the reason in `what`.
  bool refuses_watch = false;
};

/// Splits a reply or a message into its words.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}
  /// The next word; empty after the last.
  std::string_view next() {
    const auto end = rest_.find(' ');
    const auto word = rest_.substr(0, end);
    rest_ = end == std::string_view::npos ? std::string_view{} : rest_.substr(end + 1);
    return word;
  }
  [[nodiscard]] std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

}  // namespace dlock::core
