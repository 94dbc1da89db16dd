// Deriving a lock's keys and their cluster slot.
#include "core/wire/keys.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/wire/token.hpp"

namespace dlock::core {
namespace {

constexpr std::size_t slots = 16384;
constexpr std::string_view hex_digits = "0123456789abcdef";

constexpr std::array<std::uint16_t, 256> crc_table = [] {
  std::array<std::uint16_t, 256> table{};
  for (unsigned i = 0; i < table.size(); ++i) {
    unsigned crc = i << 8;
    for (int bit = 0; bit < 8; ++bit) {
      crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
    }
    table[i] = static_cast<std::uint16_t>(crc);
  }
  return table;
}();

/// The CRC of a text with the CRC `crc`, followed by `c`.
constexpr std::uint16_t crc16(std::uint16_t crc, char c) {
  const auto index = static_cast<std::uint8_t>((crc >> 8) ^ static_cast<std::uint8_t>(c));
  return static_cast<std::uint16_t>((crc << 8) ^ crc_table[index]);
}

std::uint16_t crc16(std::string_view bytes) {
  std::uint16_t crc = 0;
  for (const char c : bytes) crc = crc16(crc, c);
  return crc;
}

/// The part that decides the slot; empty if the key has no hash tag.
std::string_view hash_tag(std::string_view key) {
  const auto open = key.find('{');
  if (open == std::string_view::npos) {
    return {};
  }
  const auto close = key.find('}', open + 1);
  return close == std::string_view::npos ? std::string_view{}
                                         : key.substr(open + 1, close - open - 1);
}

/// The smallest decimal number in each slot. Computed at first use, since few names need it.
std::uint32_t smallest_tag(std::uint16_t slot) {
  static const auto tags = [] {
    constexpr std::uint32_t none = 0xffffffff;
    std::array<std::uint32_t, slots> table{};
    table.fill(none);
    std::size_t found = 0;
    // A number's CRC follows from that of the number without its last digit.
    std::vector<std::uint16_t> crcs;
    for (std::uint32_t number = 0; found < table.size(); ++number) {
      const std::uint16_t head = number < 10 ? std::uint16_t{0} : crcs[number / 10];
      crcs.push_back(crc16(head, static_cast<char>('0' + number % 10)));
      auto& tag = table[crcs.back() % slots];
      if (tag == none) {
        tag = number;
        ++found;
      }
    }
    return table;
  }();
  return tags[slot];
}

/// The rest of a queue key behind `dlock1:q`, and of a seen key behind `dlock1:s`.
std::string suffix(std::string_view key) {
  if (!hash_tag(key).empty()) {
    return std::string{":"}.append(key);
  }
  if (!key.empty() && key.find('}') == std::string_view::npos) {
    return std::string{"w:{"}.append(key).append("}");
  }
  return "t:{" + std::to_string(smallest_tag(slot_of(key))) + "}" + std::string{key};
}

}  // namespace

std::uint16_t slot_of(std::string_view key) {
  const auto tag = hash_tag(key);
  return crc16(tag.empty() ? key : tag) % slots;
}

LockKeys lock_keys(std::string_view key) { return Key{key}.all(); }

Key::Key(std::string_view key) {
  const auto queue = "dlock1:q" + suffix(key);
  names_ = new (::operator new(sizeof(Names) + queue.size()))
      Names{.queue_size = static_cast<std::uint32_t>(queue.size()),
            .at = static_cast<std::uint32_t>(queue.rfind(key)),  // only a brace may follow
            .size = static_cast<std::uint32_t>(key.size()),
            .hash = KeyHash{}(key)};
  std::copy(queue.begin(), queue.end(), reinterpret_cast<char*>(names_ + 1));
}

LockKeys Key::all() const { return {std::string{text()}, std::string{queue()}, seen_of(queue())}; }

std::string misuse_of(std::string_view key) {
  return std::string{"the key \""}.append(key).append(
      "\" is in use for something that is not a lock of this kind (a Mutex is kept as a string, a "
      "SharedMutex or Semaphore as a sorted set, a Latch or Barrier as a hash); choose another "
      "name or set a prefix, or delete the key if nobody needs it");
}

std::string parts_key(std::string_view key) { return "dlock1:p" + suffix(key); }

std::vector<std::string> keys_of_script(const LockId& lock) {
  auto keys = lock.key.all();
  std::vector<std::string> all;
  all.reserve(4);
  all.push_back(std::move(keys.lock));
  all.push_back(std::move(keys.queue));
  all.push_back(std::move(keys.seen));
  if (!is_gate(lock.kind)) {
    all.emplace_back(fence_key);
  } else if (lock.kind != Kind::condition) {
    all.push_back(parts_key(lock.key));
  }
  return all;
}

std::string fence_key_on(std::uint16_t slot) {
  return std::string{fence_key}.append(":{").append(std::to_string(smallest_tag(slot))).append("}");
}

std::string fence_key_behind_endpoint(std::uint16_t slot) {
  return slot == slot_of(fence_key) ? std::string{fence_key} : fence_key_on(slot);
}

// This takes some 16,000 tries, often with a mutex held. CRC is linear: the CRCs of two strings of
// one length differ by the CRC of their difference. So the effect of the last two digits is known
// beforehand.
std::string client_on(std::uint16_t slot, std::uint64_t random) {
  constexpr std::size_t place = 14;  // of the last two digits
  static constexpr auto by_pair = [] {
    std::array<std::uint16_t, 256> crcs{};
    for (std::size_t pair = 0; pair < crcs.size(); ++pair) {
      crcs[pair] = crc16(crc16(0, hex_digits[pair / 16]), hex_digits[pair % 16]);
    }
    return crcs;
  }();
  for (;; random += by_pair.size()) {
    auto client = hex(random);
    const auto head = crc16(channel_of(std::string_view{client}.substr(0, place)));
    const auto wanted = crc16(crc16(head, '\0'), '\0') % slots ^ slot;
    for (std::size_t pair = 0; pair < by_pair.size(); ++pair) {
      if (by_pair[pair] % slots == wanted) {
        client[place] = hex_digits[pair / 16];
        client[place + 1] = hex_digits[pair % 16];
        return client;
      }
    }
  }
}

std::string leader_key(std::string_view key) { return "dlock1:l" + suffix(key); }

std::optional<std::string> key_of_queue(std::string_view queue_key) {
  constexpr std::string_view plain = "dlock1:q:";
  constexpr std::string_view wrapped = "dlock1:qw:{";
  constexpr std::string_view tagged = "dlock1:qt:{";
  std::string key;
  if (queue_key.starts_with(plain)) {
    key = queue_key.substr(plain.size());
  } else if (queue_key.starts_with(wrapped) && queue_key.ends_with('}')) {
    key = queue_key.substr(wrapped.size(), queue_key.size() - wrapped.size() - 1);
  } else if (queue_key.starts_with(tagged) && queue_key.find('}') != std::string_view::npos) {
    key = queue_key.substr(queue_key.find('}') + 1);
  } else {
    return std::nullopt;
  }
  if (key.starts_with(token_prefix) || lock_keys(key).queue != queue_key) {
    return std::nullopt;
  }
  return key;
}

}  // namespace dlock::core
