// distributed_lock._dlock: the library as Python sees it. The package's Python half makes it
// pleasant.
//
// Whatever can block runs without the GIL, destructors too: a callback of the library may need it.
#include <nanobind/nanobind.h>
#include <nanobind/stl/function.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <dlock/dlock.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "border.hpp"
#include "interrupts.hpp"

namespace dlock::python {
namespace {

using std::chrono::milliseconds;
using Limit = std::optional<milliseconds>;  // of a wait; none: for ever

Limit limit_of(std::optional<std::int64_t> ms) { return ms ? Limit{*ms} : std::nullopt; }

class PyClient {
 public:
  PyClient(const std::string& url, const std::string& prefix, nb::callable log) {
    const auto sink = std::make_shared<const Callback>(std::move(log));
    const auto report = [sink](LogLevel level, std::string_view text) {
      sink->call([&] {
        return nb::make_tuple(static_cast<int>(level), nb::str(text.data(), text.size()));
      });
    };
    client_ = std::make_shared<Client>(url, ClientOptions{.prefix = prefix, .log = report});
  }
  ~PyClient() { close(); }
  PyClient(const PyClient&) = delete;
  PyClient& operator=(const PyClient&) = delete;

  /// Ends all waits; leases go on.
  void close() {
    auto client = std::exchange(client_, nullptr);
    const WithoutGil without_gil;
    client.reset();
  }
  [[nodiscard]] std::shared_ptr<Client> get() const {
    if (!client_) throw Cancelled(errc::cancelled, "the program is ending");
    return client_;
  }
  [[nodiscard]] bool is_held(const std::string& name) const {
    auto client = get();
    const WithoutGil without_gil;
    const auto kept = std::move(client);  // if it is the last, it ends without the GIL
    return inspect_lock(*kept, name).held;
  }

 private:
  std::shared_ptr<Client> client_;
};

/// A held lock. All members are called with the GIL, which makes them thread-safe.
class PyLease {
 public:
  explicit PyLease(Lease lease)
      : lease_(std::move(lease)), lost_(lease_.lost()), fence_(lease_.fence()) {}
  ~PyLease() {
    auto lease = std::move(lease_);
    auto watches = std::move(watches_);
    const WithoutGil without_gil;
    watches.clear();
    lease = Lease{};
  }
  PyLease(const PyLease&) = delete;
  PyLease& operator=(const PyLease&) = delete;

  [[nodiscard]] std::int64_t fence() const noexcept { return fence_; }
  [[nodiscard]] std::int64_t valid_for() const noexcept { return lease_.valid_for().count(); }
  [[nodiscard]] bool held() const noexcept { return lease_.held(); }
  void ensure_held() const { lease_.ensure_held(); }

  void release() {
    auto lease = std::move(lease_);
    const WithoutGil without_gil;
    lease.release();
  }
  void release_later(nb::callable done) {
    const auto callback = std::make_shared<const Callback>(std::move(done));
    auto lease = std::move(lease_);
    const WithoutGil without_gil;
    async_release(std::move(lease), [callback](std::error_code code) {
      callback->call([&] { return nb::make_tuple(code.value(), code.message()); });
    });
  }

  [[nodiscard]] bool is_lost() const noexcept { return lost_.stop_requested(); }
  bool wait_lost(std::optional<std::int64_t> ms) const {
    const auto event = std::make_shared<Event>();
    const std::stop_callback watch{lost_, [event] { event->set(); }};
    return event->wait(limit_of(ms));
  }
  /// `function()` is called once, on a thread of the library, or here if the lease is lost already.
  void watch_lost(nb::callable function) {
    const auto callback = std::make_shared<const Callback>(std::move(function));
    watches_.push_back(std::make_unique<Watch>(
        lost_, [callback] { callback->call([] { return nb::make_tuple(); }); }));
  }

 private:
  using Watch = std::stop_callback<std::function<void()>>;
  Lease lease_;
  const std::stop_token lost_;
  const std::int64_t fence_;
  std::vector<std::unique_ptr<Watch>> watches_;
};

/// Ends an asynchronous wait.
class PyStop {
 public:
  void request() {
    const WithoutGil without_gil;
    source_.request_stop();
  }
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
};

/// One way to get a lease: a mutex, one side of a reader-writer lock, or permits.
class Door {
 public:
  using Wait = std::function<std::optional<Lease>(Limit)>;
  using Start = std::function<void(Limit, AcquireHandler, std::stop_token)>;
  Door(Wait wait, Start start) : wait_(std::move(wait)), start_(std::move(start)) {}

  /// None if it did not come in time. `in_main_thread`: signals are looked after meanwhile.
  std::unique_ptr<PyLease> acquire(std::optional<std::int64_t> limit_ms, bool in_main_thread) {
    const auto limit = limit_of(limit_ms);
    const bool is_try = limit && *limit <= milliseconds::zero();
    auto lease = in_main_thread && !is_try ? acquire_interruptibly(limit) : acquire_here(limit);
    return lease ? std::make_unique<PyLease>(std::move(*lease)) : nullptr;
  }

  /// `done(lease, code, message)` is called on a thread of the library: a lease, or the error.
  void start(std::optional<std::int64_t> limit_ms, nb::callable done, const PyStop& stop) {
    const auto callback = std::make_shared<const Callback>(std::move(done));
    const WithoutGil without_gil;
    start_(
        limit_of(limit_ms),
        [callback](AcquireResult result) {
          callback->call([&] {
            auto lease =
                result.lease ? std::make_unique<PyLease>(std::move(*result.lease)) : nullptr;
            return nb::make_tuple(nb::cast(std::move(lease)), result.error.value(), result.what);
          });
        },
        stop.token());
  }

 private:
  std::optional<Lease> acquire_here(Limit limit) {
    if (Gate::is_closed()) throw Cancelled(errc::cancelled, "the program is ending");
    const WithoutGil without_gil;
    return wait_(limit);
  }

  // The calling thread cannot both read the socket and see to signals. A lock that is free is had
  // in one round trip as always; who must wait leaves that to the library's own thread.
  std::optional<Lease> acquire_interruptibly(Limit limit) {
    const auto start = std::chrono::steady_clock::now();
    try {
      if (auto lease = acquire_here(milliseconds::zero())) return lease;
    } catch (const Unreachable&) {
      // Those who wait are more patient than those who try.
    }
    if (limit) {
      const auto spent = std::chrono::steady_clock::now() - start;
      limit = std::max(*limit - std::chrono::floor<milliseconds>(spent), milliseconds{1});
    }
    struct Answer {
      Event arrived;
      AcquireResult result;
    };
    const auto answer = std::make_shared<Answer>();
    std::stop_source stop;
    {
      const WithoutGil without_gil;
      start_(
          limit,
          [answer](AcquireResult result) {
            answer->result = std::move(result);
            answer->arrived.set();
          },
          stop.get_token());
    }
    try {
      static_cast<void>(answer->arrived.wait(std::nullopt));
    } catch (nb::python_error&) {
      const WithoutGil without_gil;
      stop.request_stop();
      answer->arrived.wait_uninterrupted();
      answer->result.lease.reset();  // it may have come after all
      throw;
    }
    return std::move(answer->result).get_if();
  }

  Wait wait_;
  Start start_;
};

/// What all locks have, as the package's `Terms`.
using Terms =
    std::tuple<std::int64_t, bool, std::optional<std::int64_t>, std::int64_t, std::int64_t>;

template <class Options>
Options options_of(const Terms& terms) {
  const auto& [ttl, renew, max_hold, min_replicas, replication_timeout] = terms;
  Options options;
  options.ttl = milliseconds{ttl};
  options.renew = renew;
  options.max_hold = limit_of(max_hold);
  options.min_replicas = min_replicas;
  options.replication_timeout = milliseconds{replication_timeout};
  return options;
}

Door mutex(PyClient& client, const std::string& name, const Terms& terms) {
  const auto lock = std::make_shared<Mutex>(*client.get(), name, options_of<LockOptions>(terms));
  return {[lock](Limit limit) {
            return limit ? lock->try_acquire_for(*limit) : std::optional{lock->acquire()};
          },
          [lock](Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire(std::move(handler), std::move(stop));
          }};
}

Door writer(PyClient& client, const std::string& name, const Terms& terms) {
  const auto lock =
      std::make_shared<SharedMutex>(*client.get(), name, options_of<LockOptions>(terms));
  return {[lock](Limit limit) {
            return limit ? lock->try_acquire_for(*limit) : std::optional{lock->acquire()};
          },
          [lock](Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire(std::move(handler), std::move(stop));
          }};
}

Door reader(PyClient& client, const std::string& name, const Terms& terms) {
  const auto lock =
      std::make_shared<SharedMutex>(*client.get(), name, options_of<LockOptions>(terms));
  return {[lock](Limit limit) {
            return limit ? lock->try_acquire_shared_for(*limit)
                         : std::optional{lock->acquire_shared()};
          },
          [lock](Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_shared_for(*limit, std::move(handler), std::move(stop))
                  : lock->async_acquire_shared(std::move(handler), std::move(stop));
          }};
}

Door permits(PyClient& client, const std::string& name, std::int64_t number, std::int64_t weight,
             const Terms& terms) {
  auto options = options_of<SemaphoreOptions>(terms);
  options.permits = number;
  const auto lock = std::make_shared<Semaphore>(*client.get(), name, options);
  return {[lock, weight](Limit limit) {
            return limit ? lock->try_acquire_for(*limit, weight)
                         : std::optional{lock->acquire(weight)};
          },
          [lock, weight](Limit limit, AcquireHandler handler, std::stop_token stop) {
            limit ? lock->async_try_acquire_for(*limit, weight, std::move(handler), std::move(stop))
                  : lock->async_acquire(weight, std::move(handler), std::move(stop));
          }};
}

// The package makes the exception: its classes are written in Python.
void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    const auto made = nb::module_::import_("distributed_lock._errors")
                          .attr("made_of")(error.code().value(), error.what());
    PyErr_SetObject(made.type().ptr(), made.ptr());
  }
}

}  // namespace
}  // namespace dlock::python

NB_MODULE(_dlock, m) {
  namespace nb = nanobind;
  using namespace dlock::python;
  nb::set_leak_warnings(false);  // what modules still refer to at the end is no leak
  nb::register_exception_translator(translate);

  m.def("close_gate", &Gate::close, nb::call_guard<nb::gil_scoped_release>());
  m.def("reset_gate", &Gate::reset);

  nb::class_<PyClient>(m, "Client")
      .def(nb::init<const std::string&, const std::string&, nb::callable>())
      .def("close", &PyClient::close)
      .def("is_held", &PyClient::is_held);
  nb::class_<PyLease>(m, "Lease")
      .def_prop_ro("fence", &PyLease::fence)
      .def_prop_ro("held", &PyLease::held)
      .def("valid_for", &PyLease::valid_for)
      .def("ensure_held", &PyLease::ensure_held)
      .def("release", &PyLease::release)
      .def("release_later", &PyLease::release_later)
      .def("is_lost", &PyLease::is_lost)
      .def("wait_lost", &PyLease::wait_lost, nb::arg("ms").none())
      .def("watch_lost", &PyLease::watch_lost);
  nb::class_<PyStop>(m, "Stop").def(nb::init<>()).def("request", &PyStop::request);
  nb::class_<Door>(m, "Door")
      .def("acquire", &Door::acquire, nb::arg("limit").none(), nb::arg("in_main_thread"))
      .def("start", &Door::start, nb::arg("limit").none(), nb::arg("done"), nb::arg("stop"));
  m.def("mutex", &mutex);
  m.def("reader", &reader);
  m.def("writer", &writer);
  m.def("permits", &permits);
}
