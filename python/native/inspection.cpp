// Looking at locks from outside, breaking them, and what only tests need.
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
#include "infos.hpp"

namespace dlock::python {
namespace {

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
  nb::class_<PyServer>(m, "Server")
      .def(nb::init<>())
      .def("close", &PyServer::close)
      .def("url", &PyServer::url)
      .def("pause", &PyServer::pause)
      .def("resume", &PyServer::resume);
}

}  // namespace dlock::python
