// Locks as people read them: sentences and tables.
#include "cli/text/lock_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "cli/text/duration.hpp"
#include "cli/text/text.hpp"

namespace dlock::cli {

namespace {

constexpr std::size_t widest_name = 60;

bool has_many(const LockInfo& lock) { return lock.holders.size() > 1; }

// A client is registered while it lives, and for some minutes after a kill.
bool has_ended(const Party& party) {
  return party.host.empty() && party.pid == 0 && !party.client.empty();
}

bool is_mutex(const LockInfo& lock) {
  return lock.kind == LockKind::mutex || lock.kind == LockKind::none;
}

std::string counted(std::size_t number, std::string_view what) {
  return fmt::format("{} {}{}", number, what, number == 1 ? "" : "s");
}

// Returns `3 of 4 permits`, `2 readers` or `a writer`; nothing for a mutex.
std::string share(const LockInfo& lock) {
  if (is_mutex(lock) || !lock.held) return {};
  if (lock.kind == LockKind::semaphore) {
    return fmt::format("{} of {}", lock.used,
                       counted(static_cast<std::size_t>(lock.permits), "permit"));
  }
  std::size_t readers = 0;
  for (const auto& one : lock.holders) readers += one.role == "reader" ? 1 : 0;
  if (readers == lock.holders.size()) return counted(readers, "reader");
  const bool writes = lock.used == lock.permits;
  const auto other = writes ? "a writer" : "an upgradeable reader";
  return readers == 0 ? other : fmt::format("{} and {}", other, counted(readers, "reader"));
}

std::string fence(const LockInfo& lock) {
  return lock.held && !lock.foreign && !has_many(lock) && lock.fence != 0
             ? fmt::to_string(lock.fence)
             : "-";
}

std::string held_for(const LockInfo& lock) {
  return lock.held && !lock.foreign ? format_duration(lock.since) : "-";
}

std::string ttl_left(const LockInfo& lock) {
  if (!lock.held) return "-";
  return lock.ttl_left ? format_duration(*lock.ttl_left) : "no end";
}

std::string state_of(const LockInfo& lock) {
  if (is_mutex(lock)) return lock.held ? "held" : "free";
  const auto* kind = lock.kind == LockKind::semaphore ? "a semaphore" : "a reader-writer lock";
  return lock.held ? fmt::format("{}, held: {}", kind, share(lock)) : fmt::format("{}, free", kind);
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, columns(text)), ' ');
}

// Returns a heading, and one line for each holder.
std::string holder_lines(const LockInfo& lock) {
  std::size_t widest = 0;
  for (const auto& one : lock.holders) widest = std::max(widest, columns(describe(one.party)));
  auto text = fmt::format("  holding   {}\n", lock.holders.size());
  for (const auto& one : lock.holders) {
    const auto role = one.role.empty() ? fmt::format("weight {}", one.weight) : one.role;
    const auto number = one.fence == 0 ? std::string{"-"} : fmt::to_string(one.fence);
    const auto held = one.fence == 0 ? std::string{"-"} : format_duration(one.since);
    text += fmt::format("            {}  {}, fence {}, held for {}, ttl left {}\n",
                        padded(describe(one.party), widest), role, number, held,
                        one.ttl_left ? format_duration(*one.ttl_left) : "no end");
  }
  return text;
}

// Returns a heading, and one line for each waiter.
std::string waiter_lines(std::string_view heading, const std::vector<WaiterInfo>& waiters) {
  std::size_t widest = 0;
  for (const auto& waiter : waiters) widest = std::max(widest, columns(describe(waiter.party)));
  auto text = fmt::format("  {:<9} {}\n", heading, waiters.size());
  std::size_t place = 0;
  for (const auto& waiter : waiters) {
    text += fmt::format("  {:>8}  {}  {}\n", ++place, padded(describe(waiter.party), widest),
                        format_duration(waiter.waiting));
  }
  return text;
}

// Returns a heading, and one line for each client that joined a latch or barrier.
std::string party_lines(const std::vector<Party>& joined) {
  auto text = fmt::format("  joined    {}\n", joined.size());
  for (const auto& party : joined) text += fmt::format("            {}\n", describe(party));
  return text;
}

std::string_view broken(bool is_broken) { return is_broken ? "broken, " : ""; }

}  // namespace

std::string describe(const Party& party) {
  if (has_ended(party)) return fmt::format("ended (client {})", printable(party.client));
  if (party.host.empty() && party.pid == 0) return "an unknown client";
  auto text = fmt::format("{}:{} {}", printable(party.host), party.pid, printable(party.program));
  if (!party.label.empty()) text += fmt::format(" ({})", printable(party.label));
  return text;
}

std::string holder_of(const LockInfo& lock) {
  if (!lock.held) return "nobody";
  if (has_many(lock)) return share(lock);
  if (!is_mutex(lock)) return fmt::format("{}, {}", describe(lock.holder), share(lock));
  return lock.foreign ? "a client of another library" : describe(lock.holder);
}

std::string held_by(const LockInfo& lock) {
  auto text = "by " + holder_of(lock);
  return lock.foreign || has_many(lock) ? text : text + " for " + format_duration(lock.since);
}

std::string lock_details(const LockInfo& lock) {
  auto text = fmt::format("{}: {}\n", printable(lock.name), state_of(lock));
  if (lock.held && !is_mutex(lock)) {
    text += holder_lines(lock);
  } else if (lock.held) {
    text += fmt::format("  holder    {}\n  fence     {}\n  held for  {}\n  ttl left  {}\n",
                        holder_of(lock), fence(lock), held_for(lock), ttl_left(lock));
    if (has_ended(lock.holder)) {
      text += "  why       its program was killed, or --at-least keeps others out\n";
    }
  }
  return text + waiter_lines("waiting", lock.waiters);
}

std::string latch_details(const LatchInfo& latch) {
  auto text = fmt::format("{}: {}{} of {} left\n", printable(latch.name), broken(latch.broken),
                          latch.left, latch.count);
  return text + party_lines(latch.joined) + waiter_lines("waiting", latch.waiters);
}

std::string barrier_details(const BarrierInfo& barrier) {
  auto text =
      fmt::format("{}: {}{} of {} arrived\n  phase     {}\n", printable(barrier.name),
                  broken(barrier.broken), barrier.waiters.size(), barrier.parties, barrier.phase);
  return text + party_lines(barrier.joined) + waiter_lines("arrived", barrier.waiters);
}

std::string ring_text(const std::vector<DeadlockLink>& ring) {
  std::string text;
  for (std::size_t i = 0; i < ring.size(); ++i) {
    text += fmt::format("{} is held by {}, which waits for {}\n", in_quotes(ring[i].name),
                        describe(ring[i].holder), in_quotes(ring[(i + 1) % ring.size()].name));
  }
  return text + '\n';
}

std::string lock_table(const std::vector<LockInfo>& locks, bool colour) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows{{"NAME", "HOLDER", "FENCE", "HELD FOR", "TTL LEFT", "WAITING"}};
  for (const auto& lock : locks) {
    rows.push_back({shortened(printable(lock.name), widest_name), holder_of(lock), fence(lock),
                    held_for(lock), ttl_left(lock), fmt::to_string(lock.waiters.size())});
  }
  std::array<std::size_t, 6> widths{};
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], columns(row[i]));
  }
  std::string text;
  for (const auto& row : rows) {
    const bool bold = colour && &row == &rows.front();
    if (bold) text += "\x1b[1m";
    for (std::size_t i = 0; i + 1 < row.size(); ++i) text += padded(row[i], widths[i]) + "  ";
    text += row.back();
    if (bold) text += "\x1b[0m";
    text += '\n';
  }
  return text;
}

}  // namespace dlock::cli
