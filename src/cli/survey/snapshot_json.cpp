// Snapshots as programs read them.
#include "cli/survey/snapshot_json.hpp"

#include <fmt/format.h>

#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"

namespace dlock::cli {

namespace {

using detail::json_array;
using detail::JsonObject;

std::string totals_json(const Totals& totals) {
  JsonObject object;
  const auto count = [](std::size_t number) { return static_cast<std::int64_t>(number); };
  object.number("locks", count(totals.locks)).number("held", count(totals.held));
  object.number("contended", count(totals.contended)).number("waiters", count(totals.waiters));
  return object.number("longest_wait_ms", totals.longest_wait.count()).str();
}

}  // namespace

std::string seen_lock_json(const Snapshot& snapshot, const SeenLock& lock, runtime::BootTime now) {
  const auto info = at(lock, now);
  auto text = detail::lock_json(info);
  text.pop_back();
  return text + fmt::format(R"(,"longest_wait_ms":{},"handoffs_per_s":{:.2f},"election":{}}})",
                            longest_wait(info).count(), lock.handoffs,
                            is_election(snapshot, info.name));
}

std::string snapshot_json(const Snapshot& snapshot, const std::vector<Row>& rows,
                          runtime::BootTime now) {
  std::vector<std::string> locks;
  for (const auto& row : rows) locks.push_back(seen_lock_json(snapshot, *row.lock, now));
  std::vector<std::string> rings;
  for (const auto& ring : snapshot.rings) rings.push_back(detail::ring_json(ring));
  std::vector<std::string> waits;
  for (const auto& wait : snapshot.waits) {
    waits.push_back(JsonObject{}.text("token", wait.token).bytes("name", wait.name).str());
  }
  JsonObject object;
  object.raw("totals", totals_json(totals_of(snapshot, now)));
  object.raw("locks", json_array(locks)).raw("deadlocks", json_array(rings));
  object.raw("waits", json_array(waits));
  const bool is_well = snapshot.problem.empty();
  return object.raw("problem", is_well ? "null" : detail::json_string(snapshot.problem)).str();
}

}  // namespace dlock::cli
