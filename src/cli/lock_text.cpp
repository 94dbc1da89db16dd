// Locks as people read them: sentences and tables.
#include "cli/lock_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "cli/duration.hpp"
#include "cli/text.hpp"

namespace dlock::cli {

namespace {

constexpr std::size_t widest_name = 60;

std::string holder(const LockInfo& lock) {
  if (!lock.held) return "nobody";
  return lock.foreign ? "a client of another library" : describe(lock.holder);
}

std::string fence(const LockInfo& lock) {
  return lock.held && !lock.foreign ? fmt::to_string(lock.fence) : "-";
}

std::string held_for(const LockInfo& lock) {
  return lock.held && !lock.foreign ? format_duration(lock.since) : "-";
}

std::string ttl_left(const LockInfo& lock) {
  if (!lock.held) return "-";
  return lock.ttl_left ? format_duration(*lock.ttl_left) : "no end";
}

std::string padded(const std::string& text, std::size_t width) {
  return text + std::string(width - std::min(width, columns(text)), ' ');
}

}  // namespace

std::string describe(const Party& party) {
  if (party.host.empty() && party.pid == 0) {
    return party.client.empty() ? "an unknown client" : "client " + printable(party.client);
  }
  auto text = fmt::format("{}:{} {}", printable(party.host), party.pid, printable(party.program));
  if (!party.label.empty()) text += fmt::format(" ({})", printable(party.label));
  return text;
}

std::string held_by(const LockInfo& lock) {
  auto text = "by " + holder(lock);
  return lock.foreign ? text : text + " for " + format_duration(lock.since);
}

std::string lock_details(const LockInfo& lock) {
  auto text = fmt::format("{}: {}\n", printable(lock.name), lock.held ? "held" : "free");
  if (lock.held) {
    text += fmt::format("  holder    {}\n  fence     {}\n  held for  {}\n  ttl left  {}\n",
                        holder(lock), fence(lock), held_for(lock), ttl_left(lock));
  }
  text += fmt::format("  waiting   {}\n", lock.waiters.size());
  std::size_t widest = 0;
  for (const auto& waiter : lock.waiters) {
    widest = std::max(widest, columns(describe(waiter.party)));
  }
  std::size_t place = 0;
  for (const auto& waiter : lock.waiters) {
    text += fmt::format("  {:>8}  {}  {}\n", ++place, padded(describe(waiter.party), widest),
                        format_duration(waiter.waiting));
  }
  return text;
}

std::string lock_table(const std::vector<LockInfo>& locks, bool colour) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows{{"NAME", "HOLDER", "FENCE", "HELD FOR", "TTL LEFT", "WAITING"}};
  for (const auto& lock : locks) {
    rows.push_back({shortened(printable(lock.name), widest_name), holder(lock), fence(lock),
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
