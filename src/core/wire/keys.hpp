// Keys: the names of a lock's keys on the server.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace dlock::core {

/// The content of a lock key, which decides which scripts serve it. A name has one kind at a time.
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

/// The keys of one lock, all on the cluster slot of `lock`.
struct LockKeys {
  std::string lock;   ///< the user's prefix and name
  std::string queue;  ///< the waiters, by ticket
  std::string seen;   ///< the times of waiters' last requests; for permits also the fences
};

inline constexpr std::string_view fence_key = "dlock1:fence";

/// On a cluster each slot has its own counter, since a script sees only one slot.
[[nodiscard]] std::string fence_key_on(std::uint16_t slot);

/// The same behind one endpoint that has many slots: the counter for all locks, which clients used
/// there as long as it had one slot, goes on as that of its own slot.
[[nodiscard]] std::string fence_key_behind_endpoint(std::uint16_t slot);

/// The key of the notes about waits of the holder of `token`.
[[nodiscard]] inline std::string note_key(std::string_view token) {
  return std::string{"dlock1:waits:"}.append(token);
}
[[nodiscard]] inline std::string channel_of(std::string_view client) {
  return std::string{"dlock1:c:"}.append(client);
}
/// Lies on the slot of the client's channel.
[[nodiscard]] inline std::string registration_key(std::string_view client) {
  return "dlock1:client:{" + channel_of(client) + "}";
}
/// The first client id, from `random` on, whose channel is on `slot`: a script can publish only
/// there.
[[nodiscard]] std::string client_on(std::uint16_t slot, std::uint64_t random);

/// The seen key that goes with a queue key: one letter differs. `seen` has the memory for it.
inline std::string& put_seen(std::string_view queue, std::string& seen) {
  seen = queue;
  seen[7] = 's';
  return seen;
}
[[nodiscard]] inline std::string seen_of(std::string_view queue) {
  std::string seen;
  return put_seen(queue, seen);
}

/// The keys that go with lock key `key`. Three forms, told apart by the letter after `q`/`s`, so
/// that two locks never share a queue:
///   `dlock1:q:KEY`          KEY has a hash tag of its own
///   `dlock1:qw:{KEY}`       it has none, and wrapping it makes one
///   `dlock1:qt:{TAG}KEY`    it is empty or contains `}`: TAG is the smallest decimal number whose
///                           slot is that of KEY
[[nodiscard]] LockKeys lock_keys(std::string_view key);

/// A lock key with its queue key, made once: copies share one piece of memory, whose text is the
/// queue key, since that contains the lock key. Copies may be used by different threads.
class Key {
 public:
  Key() noexcept = default;  ///< empty
  Key(std::string_view key);
  Key(const std::string& key) : Key(std::string_view{key}) {}
  Key(const char* key) : Key(std::string_view{key}) {}
  Key(const Key& other) noexcept : names_(other.names_) {
    if (names_ != nullptr) names_->owners.fetch_add(1, std::memory_order_relaxed);
  }
  Key(Key&& other) noexcept : names_(std::exchange(other.names_, nullptr)) {}
  Key& operator=(Key other) noexcept {
    std::swap(names_, other.names_);
    return *this;
  }
  ~Key() {
    if (names_ != nullptr && names_->owners.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      ::operator delete(names_);
    }
  }

  [[nodiscard]] std::string_view text() const noexcept {
    return names_ != nullptr ? queue().substr(names_->at, names_->size) : std::string_view{};
  }
  /// Of a key that is not empty.
  [[nodiscard]] std::string_view queue() const noexcept {
    return {reinterpret_cast<const char*>(names_ + 1), names_->queue_size};
  }
  /// That of its text, made once. Of a key that is not empty.
  [[nodiscard]] std::size_t hash() const noexcept { return names_->hash; }
  /// As `lock_keys`.
  [[nodiscard]] LockKeys all() const;
  operator std::string_view() const noexcept { return text(); }

  friend bool operator==(const Key& a, const Key& b) noexcept {
    return a.names_ == b.names_ || a.text() == b.text();
  }
  template <class Text>
    requires(std::is_convertible_v<const Text&, std::string_view> && !std::is_same_v<Text, Key>)
  friend bool operator==(const Key& a, const Text& b) noexcept {
    return a.text() == std::string_view{b};
  }

 private:
  /// The text follows it.
  struct Names {
    std::atomic<std::uint32_t> owners{1};
    std::uint32_t queue_size;
    std::uint32_t at, size;  ///< of the lock key in it
    std::size_t hash;
  };

  Names* names_ = nullptr;
};

/// Of a key, or of its text.
struct KeyHash {
  using is_transparent = void;
  std::size_t operator()(const Key& key) const noexcept { return key.hash(); }
  std::size_t operator()(std::string_view text) const noexcept {
    return std::hash<std::string_view>{}(text);
  }
};

/// Names a lock or gate.
struct LockId {
  Key key;  ///< the user's prefix and name
  Kind kind = Kind::mutex;
};

/// An error text: `key` holds a value that dlock did not write.
[[nodiscard]] std::string misuse_of(std::string_view key);

/// The lock beside the gate `key`: each party that joined holds a permit of it.
[[nodiscard]] std::string parts_key(std::string_view key);

/// The keys of a script for one lock or gate: a gate has no fences, and may have parts.
[[nodiscard]] std::vector<std::string> keys_of_script(const LockId& lock);

/// The key with the value that the leader of the election on lock key `key` proclaims: the queue
/// key with `l` for `q`. The channel of the observers has the same name.
[[nodiscard]] std::string leader_key(std::string_view key);

/// The lock key that a queue key belongs to; none if it is not the queue key of a lock.
[[nodiscard]] std::optional<std::string> key_of_queue(std::string_view queue_key);

/// The cluster slot of a key: CRC16 of its hash tag, or of the whole key, modulo 16384 (Redis
/// cluster specification, "Hash tags").
[[nodiscard]] std::uint16_t slot_of(std::string_view key);

}  // namespace dlock::core
