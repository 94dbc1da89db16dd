// Stage: what everything in one simulation stands on: time, chance and the record of what happened.
#pragma once

#include <cstdint>
#include <functional>
#include <queue>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "simulation/plan.hpp"
#include "simulation/random.hpp"

namespace dlock::sim {

/// True time since the simulation began; every clock in it is derived from this one.
using Time = Duration;

/// What is to happen, in order of time; in order of arrival at the same time.
class Agenda {
 public:
  [[nodiscard]] Time now() const { return now_; }
  void at(Time when, std::function<void()> what) {
    entries_.push({when < now_ ? now_ : when, ++last_, std::move(what)});
  }
  void in(Duration delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }
  /// Lets the next thing happen. False: there is none before `end`.
  bool step(Time end) {
    if (entries_.empty() || entries_.top().when > end) {
      now_ = end;
      return false;
    }
    now_ = entries_.top().when;
    // The queue offers no other way to move out of it; the order does not depend on `what`.
    auto what = std::move(const_cast<Entry&>(entries_.top()).what);
    entries_.pop();
    what();
    return true;
  }

 private:
  struct Entry {
    Time when;
    std::uint64_t number;
    std::function<void()> what;
    friend bool operator<(const Entry& a, const Entry& b) {
      return std::pair{b.when, b.number} < std::pair{a.when, a.number};
    }
  };
  std::priority_queue<Entry> entries_;
  std::uint64_t last_ = 0;
  Time now_{};
};

/// Everything that happened, as a number to compare and, if asked for, as lines to read.
class Trace {
 public:
  explicit Trace(bool readable) : readable_(readable) {}

  /// `text` is called only if somebody reads; it must be a function of `facts` and what came
  /// before.
  template <class Text>
  void note(Time now, std::uint64_t facts, std::string_view words, Text text) {
    mix(static_cast<std::uint64_t>(now.count()));
    mix(facts);
    for (const char c : words) {
      hash_ = (hash_ ^ static_cast<unsigned char>(c)) * prime;
    }
    if (readable_) {
      lines_.push_back(stamp(now) + text());
    }
  }
  [[nodiscard]] std::uint64_t hash() const { return hash_; }
  [[nodiscard]] const std::vector<std::string>& lines() const { return lines_; }

 private:
  static constexpr std::uint64_t prime = 0x100000001b3;
  void mix(std::uint64_t number) {
    hash_ = (hash_ ^ number) * prime;
    hash_ ^= hash_ >> 29;
  }
  static std::string stamp(Time now);

  bool readable_;
  std::uint64_t hash_ = 0xcbf29ce484222325;
  std::vector<std::string> lines_;
};

/// Counts of the events without which a simulation tests nothing.
struct Tally {
  std::uint64_t acquired = 0, granted = 0, passed = 0, lost = 0, renewed = 0, late_copies = 0,
                overlaps_excused = 0, refused = 0, commands = 0, faults = 0, steps = 0,
                together = 0, upgraded = 0, downgraded = 0, all_at_once = 0, kept = 0, wiped = 0,
                fences_written = 0, fences_passed = 0, bare = 0, told = 0;
  Tally& operator+=(const Tally& other);
};

struct Stage {
  Stage(const Plan& the_plan, bool readable)
      : plan(the_plan), random(the_plan.seed ^ 0x5eed), trace(readable) {}

  [[nodiscard]] Time now() const { return agenda.now(); }
  template <class Text>
  void note(std::uint64_t facts, std::string_view words, Text text) {
    trace.note(now(), facts, words, text);
  }

  Plan plan;
  Random random;
  Agenda agenda;
  Trace trace;
  Tally tally;
};

}  // namespace dlock::sim
