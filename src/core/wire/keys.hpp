// Keys: where on the server the parts of a lock live.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dlock::core {

/// What a lock key holds, and with it which scripts serve it. One name has one kind at a time.
enum class Kind : std::uint8_t {
  mutex,      ///< a string, as other libraries use it: one holder
  permits,    ///< a sorted set: holders with weights; a semaphore, or a reader-writer lock
  condition,  ///< nothing: a condition variable is a queue
  latch,      ///< a hash
  barrier,    ///< a hash
};

[[nodiscard]] constexpr bool is_gate(Kind kind) {
  return kind != Kind::mutex && kind != Kind::permits;
}

/// Which lock or gate.
struct LockId {
  std::string key;  ///< the user's prefix and name
  Kind kind = Kind::mutex;
};

/// The keys of one lock, all on the cluster slot of `lock`.
struct LockKeys {
  std::string lock;   ///< the user's prefix and name
  std::string queue;  ///< who waits, by ticket
  std::string seen;   ///< when long-waiting clients were last heard of; permits: fences too
};

inline constexpr std::string_view fence_key = "dlock1:fence";

/// On a cluster each slot has a counter of its own, since a script sees one slot only.
[[nodiscard]] std::string fence_key_on(std::uint16_t slot);

/// Of what the holder of `token` waits for.
[[nodiscard]] inline std::string note_key(std::string_view token) {
  return std::string{"dlock1:waits:"}.append(token);
}
[[nodiscard]] inline std::string channel_of(std::string_view client) {
  return std::string{"dlock1:c:"}.append(client);
}
/// On the slot of its channel.
[[nodiscard]] inline std::string registration_key(std::string_view client) {
  return "dlock1:client:{" + channel_of(client) + "}";
}
/// The first id of a client, from `random` on, whose channel is on `slot`: a script can only tell
/// who listens there.
[[nodiscard]] std::string client_on(std::uint16_t slot, std::uint64_t random);

/// The keys that go with lock key `key`. Three forms, told apart by the letter after `q`/`s`, so
/// that two locks never share a queue:
///   `dlock1:q:KEY`          KEY has a hash tag of its own
///   `dlock1:qw:{KEY}`       it has none, and wrapping it makes one
///   `dlock1:qt:{TAG}KEY`    it is empty or contains `}`: TAG is the smallest decimal number whose
///                           slot is that of KEY
[[nodiscard]] LockKeys lock_keys(std::string_view key);

/// What is wrong when `key` holds something that no client of ours wrote there.
[[nodiscard]] std::string misuse_of(std::string_view key);

/// Of the gate `key`: the lock, of permits, whose holders are the parties that joined it.
[[nodiscard]] std::string parts_key(std::string_view key);

/// The keys that a script for one lock or gate takes: a gate gives no fences, and may have parts.
[[nodiscard]] std::vector<std::string> keys_of_script(const LockId& lock);

/// Where the leader of the election on lock key `key` writes down what it proclaims: as the queue
/// key, with `l` for `q`. It is the name of the channel on which observers are told as well.
[[nodiscard]] std::string leader_key(std::string_view key);

/// The lock key that a queue key belongs to; none if it is not the queue key of a lock.
[[nodiscard]] std::optional<std::string> key_of_queue(std::string_view queue_key);

/// The cluster slot of a key: CRC16 of its hash tag, or of the whole key, modulo 16384 (Redis
/// cluster specification, "Hash tags").
[[nodiscard]] std::uint16_t slot_of(std::string_view key);

}  // namespace dlock::core
