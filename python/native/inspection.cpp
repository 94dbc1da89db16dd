// Looking at locks from outside, breaking them, statistics, and what only tests need.
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>

#include <chrono>
#include <cstdint>
#include <dlock/dlock.hpp>
#include <dlock/testing.hpp>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "family.hpp"
#include "held.hpp"

namespace dlock::python {
namespace {

// The fields of a tuple are those of the struct.
using Text = nb::bytes;
using PyParty = std::tuple<Text, Text, std::int64_t, Text, Text>;
using PyWaiter = std::tuple<PyParty, std::int64_t, std::int64_t>;
using PyHolder =
    std::tuple<PyParty, Text, std::int64_t, std::int64_t, std::string, std::int64_t, Ms>;
using PyLock = std::tuple<Text, int, bool, bool, std::vector<PyHolder>, std::int64_t, std::int64_t,
                          std::vector<PyWaiter>>;
using PyLatchInfo =
    std::tuple<Text, std::int64_t, std::int64_t, bool, std::vector<PyParty>, std::vector<PyWaiter>>;
using PyBarrierInfo = PyLatchInfo;  // parties and phase, instead of count and left

PyParty tuple_of(const Party& party) {
  return {bytes_of(party.client), bytes_of(party.host), party.pid, bytes_of(party.program),
          bytes_of(party.label)};
}
PyWaiter tuple_of(const WaiterInfo& waiter) {
  return {tuple_of(waiter.party), waiter.waiting.count(), waiter.weight};
}
PyHolder tuple_of(const HolderInfo& one) {
  return {tuple_of(one.party),
          bytes_of(one.token),
          one.fence,
          one.weight,
          one.role,
          one.since.count(),
          one.ttl_left ? Ms{one.ttl_left->count()} : std::nullopt};
}
PyLock tuple_of(const LockInfo& lock);
template <class Info>
auto tuples_of(const std::vector<Info>& infos) {
  std::vector<decltype(tuple_of(infos[0]))> tuples;
  tuples.reserve(infos.size());
  for (const auto& info : infos) tuples.push_back(tuple_of(info));
  return tuples;
}
PyLock tuple_of(const LockInfo& lock) {
  return {bytes_of(lock.name), static_cast<int>(lock.kind), lock.held,
          lock.foreign,        tuples_of(lock.holders),     lock.permits,
          lock.used,           tuples_of(lock.waiters)};
}
PyLatchInfo tuple_of(const LatchInfo& latch) {
  return {bytes_of(latch.name),    latch.count, latch.left, latch.broken, tuples_of(latch.joined),
          tuples_of(latch.waiters)};
}
PyBarrierInfo tuple_of(const BarrierInfo& barrier) {
  return {bytes_of(barrier.name), barrier.parties,           barrier.phase,
          barrier.broken,         tuples_of(barrier.joined), tuples_of(barrier.waiters)};
}

/// What `function(client)` returns, without the GIL.
template <class Function>
auto asked(const PyClient& client, Function function) {
  auto inner = client.get();
  const WithoutGil without_gil;
  const auto kept = std::move(inner);  // if it is the last, it ends without the GIL
  return function(*kept);
}

std::vector<PyLock> list_locks_of(const PyClient& client, const Text& pattern) {
  return tuples_of(asked(
      client, [pattern = text_of(pattern)](Client& inner) { return list_locks(inner, pattern); }));
}

PyLock inspect_lock_of(const PyClient& client, const Text& name) {
  return tuple_of(
      asked(client, [name = text_of(name)](Client& inner) { return inspect_lock(inner, name); }));
}

std::optional<PyLatchInfo> inspect_latch_of(const PyClient& client, const Text& name) {
  const auto latch =
      asked(client, [name = text_of(name)](Client& inner) { return inspect_latch(inner, name); });
  return latch ? std::optional{tuple_of(*latch)} : std::nullopt;
}

std::optional<PyBarrierInfo> inspect_barrier_of(const PyClient& client, const Text& name) {
  const auto barrier =
      asked(client, [name = text_of(name)](Client& inner) { return inspect_barrier(inner, name); });
  return barrier ? std::optional{tuple_of(*barrier)} : std::nullopt;
}

bool break_lock_of(const PyClient& client, const Text& name, std::int64_t fence) {
  return asked(client, [name = text_of(name), fence](Client& inner) {
           return break_lock(inner, name, fence);
         }) == BreakOutcome::broken;
}

std::vector<std::vector<std::tuple<Text, PyParty>>> list_deadlocks_of(const PyClient& client) {
  const auto rings = asked(client, [](Client& inner) { return list_deadlocks(inner); });
  std::vector<std::vector<std::tuple<Text, PyParty>>> result;
  for (const auto& ring : rings) {
    auto& links = result.emplace_back();
    for (const auto& link : ring) links.emplace_back(bytes_of(link.name), tuple_of(link.holder));
  }
  return result;
}

std::vector<std::uint64_t> stats_of(const PyClient& client) {
  const auto stats = asked(client, [](Client& inner) { return inner.stats(); });
  return {stats.acquired,  stats.granted,  stats.passed,     stats.released, stats.lost,
          stats.timed_out, stats.renewals, stats.reconnects, stats.commands};
}

/// A server that ends with this object.
class PyServer {
 public:
  PyServer() {
    const WithoutGil without_gil;
    server_ = std::make_unique<testkit::Server>();
  }
  ~PyServer() { close(); }
  PyServer(const PyServer&) = delete;
  PyServer& operator=(const PyServer&) = delete;

  void close() {
    auto server = std::move(server_);
    const WithoutGil without_gil;
    server.reset();
  }
  [[nodiscard]] std::string url() const { return server().url(); }
  void pause() const { server().pause(); }
  void resume() const { server().resume(); }

 private:
  [[nodiscard]] testkit::Server& server() const {
    if (!server_) throw UsageError(errc::usage, "this server has ended");
    return *server_;
  }
  std::unique_ptr<testkit::Server> server_;
};

}  // namespace

void add_inspection(nb::module_& m) {
  m.def("list_locks", &list_locks_of);
  m.def("inspect_lock", &inspect_lock_of);
  m.def("inspect_latch", &inspect_latch_of);
  m.def("inspect_barrier", &inspect_barrier_of);
  m.def("break_lock", &break_lock_of);
  m.def("list_deadlocks", &list_deadlocks_of);
  m.def("stats", &stats_of);
  nb::class_<PyServer>(m, "Server")
      .def(nb::init<>())
      .def("close", &PyServer::close)
      .def("url", &PyServer::url)
      .def("pause", &PyServer::pause)
      .def("resume", &PyServer::resume);
}

}  // namespace dlock::python
