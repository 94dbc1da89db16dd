// Looking at locks from outside, as JSON; and breaking one.
#include <chrono>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/status.hpp"
#include "c/text.hpp"
#include "dlock/deadlock.hpp"
#include "dlock/inspect.hpp"
#include "inspect/json.hpp"
#include "inspect/lock_json.hpp"

using namespace dlock;

namespace {

template <class Each, class Json>
std::string array_of(const std::vector<Each>& all, Json json) {
  std::vector<std::string> values;
  for (const auto& each : all) {
    values.push_back(json(each));
  }
  return detail::json_array(values);
}

std::string look_at(Client& client, dlock_subject subject, std::string_view name) {
  switch (subject) {
    case DLOCK_SUBJECT_LOCKS:
      return array_of(list_locks(client, name.empty() ? "*" : name), detail::lock_json);
    case DLOCK_SUBJECT_LOCK:
      return detail::lock_json(inspect_lock(client, name));
    case DLOCK_SUBJECT_LATCH: {
      const auto latch = inspect_latch(client, name);
      return latch ? detail::latch_json(*latch) : "null";
    }
    case DLOCK_SUBJECT_BARRIER: {
      const auto barrier = inspect_barrier(client, name);
      return barrier ? detail::barrier_json(*barrier) : "null";
    }
    case DLOCK_SUBJECT_DEADLOCKS:
      return array_of(list_deadlocks(client), detail::ring_json);
  }
  throw_error(errc::usage, "there is no dlock_subject " + std::to_string(subject));
}

bool break_it(Client& client, std::string_view name, std::int64_t fence, std::int64_t timeout_ms) {
  const Span timeout = c::span_of(timeout_ms).value_or(std::chrono::seconds{1});
  return break_lock(client, name, fence, timeout) == BreakOutcome::broken;
}

}  // namespace

dlock_status dlock_inspect(dlock_client* client, dlock_subject subject, const char* name,
                           std::size_t length, char** json) {
  return c::make(json, "json", [&] {
    c::require(client != nullptr, "client");
    return c::copy_of(look_at(client->client, subject, c::bytes(name, length)));
  });
}

void dlock_text_free(char* text) { std::free(text); }

dlock_status dlock_inspect_queued(dlock_client* client, dlock_subject subject, const char* name,
                                  std::size_t length, std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::in_background(c::queue_of(*client), {DLOCK_EVENT_DONE, context},
                     [owner = c::kept(client), subject, its = std::string{c::bytes(name, length)}](
                         const std::stop_token&, c::Event& event) {
                       event.text = look_at(owner->client, subject, its);
                     });
  });
}

dlock_status dlock_break_lock(dlock_client* client, const char* name, std::size_t length,
                              std::int64_t fence, std::int64_t timeout_ms, int* broken) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::require(broken != nullptr, "broken");
    *broken = 0;
    *broken = static_cast<int>(break_it(client->client, c::bytes(name, length), fence, timeout_ms));
  });
}

dlock_status dlock_break_lock_queued(dlock_client* client, const char* name, std::size_t length,
                                     std::int64_t fence, std::int64_t timeout_ms,
                                     std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    c::in_background(
        c::queue_of(*client), {DLOCK_EVENT_DONE, context},
        [owner = c::kept(client), its = std::string{c::bytes(name, length)}, fence, timeout_ms](
            const std::stop_token&, c::Event& event) {
          event.number = static_cast<std::int64_t>(break_it(owner->client, its, fence, timeout_ms));
        });
  });
}
