// Operations on two locks by four clients, as values that RapidCheck generates and shrinks.
#pragma once

#include <rapidcheck.h>

#include <iosfwd>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "support/store_model.hpp"

namespace dlock::test {

inline constexpr int key_count = 2;
inline constexpr int client_count = 4;
inline constexpr int pool_size = 16;       ///< tokens, four for each client
inline constexpr int absent_client = 200;  ///< never subscribes

std::string key_name(int key);
/// A token that always has the same meaning; the last ones of each client have odd claim times.
std::string pool_token(int number);

/// Which token: whoever holds the lock at that time, or (also if nobody does) one of the pool.
struct Token {
  int number = 0;
  bool of_holder = false;
};

enum class Ticket : std::uint8_t { none, known, shifted };
struct Acquire {
  int key = 0;
  Token token;
  Millis ttl{};
  bool wait = true;
  bool keep = false;
  Ticket ticket{};
  Micros shift{};  ///< a ticket of this age, against the present
  std::optional<Token> old{};
  std::optional<int> recent{};  ///< a counter so far from the last
};
struct AcquireBare {  ///< without a script
  int key = 0;
  Token token;
  Millis ttl{};
};
struct ReleaseBare {
  int key = 0;
  Token token;
};
struct AcquireAll {
  int first = 0;  ///< a key; then the others
  std::vector<Token> tokens;
  Millis ttl{};
};
struct WriteFence {
  int key = 0;
  Token token;
  Millis ttl{};
  int by = 0;  ///< above the counter, or below it
};
struct Crowd {  ///< many clients that are gone ask for the lock
  int key = 0;
  int size = 0;
};
struct Release {
  int key = 0;
  Token token;
  std::optional<Millis> keep{};
};
struct Lease {
  int key = 0;
  Token token;
  Millis ttl{};
  int sequence = 0;
};
struct Renew {
  std::vector<Lease> leases;
};
struct Break {
  int key = 0;
  int counter_off = 0;
  int sequence_off = 0;
  bool ask = false;
};
struct Subscribe {
  int client = 0;
  bool on = true;
};
struct ForeignSet {
  int key = 0;
  std::optional<Millis> ttl{};
};
enum class Part : std::uint8_t { lock, queue, seen, fence, all, scripts };
struct Drop {
  int key = 0;
  Part part{};
};
struct WrongType {
  int key = 0;
};
struct MayPublish {
  bool allowed = true;
};
struct Advance {
  Micros by{};
};

struct Operation {
  std::variant<Acquire, AcquireBare, ReleaseBare, AcquireAll, Crowd, Release, Renew, WriteFence,
               Break, Subscribe, ForeignSet, Drop, WrongType, MayPublish, Advance>
      kind;
};
std::ostream& operator<<(std::ostream& out, const Operation& operation);

rc::Gen<std::vector<Operation>> any_history();

}  // namespace dlock::test
