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
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <dlock/bundled_server.hpp>
#include <dlock/dlock.hpp>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "border.hpp"
#include "family.hpp"
#include "held.hpp"
#include "interrupts.hpp"
#include "mailbox.hpp"

namespace dlock::python {
namespace {

/// Ends an asynchronous wait.
class PyStop {
 public:
  void request() {
    const WithoutGil without_gil;
    source_.request_stop();
  }
  /// It ends all waits of the calling thread from now on.
  void bind() const { bound_stop = token(); }
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  std::stop_source source_;
};

/// A lease source: a mutex, one side of a reader-writer lock, or permits.
class PyLeaseSource {
 public:
  PyLeaseSource(const PyClient& client, LeaseSource source)
      : PyLeaseSource(client.obtained(), std::move(source)) {}
  PyLeaseSource(PyClient::Moment obtained, LeaseSource source)
      : obtained_(std::move(obtained)), source_(std::move(source)) {}

  /// If it did not come in time: the place in the queue, or 0. `in_main_thread`: signals are looked
  /// after meanwhile.
  nb::object acquire(std::optional<std::int64_t> limit_ms, bool in_main_thread) {
    const auto limit = limit_of(limit_ms);
    std::int64_t place = 0;
    auto lease = in_main_thread || bound_stop.stop_possible() ? acquire_interruptibly(limit, place)
                                                              : acquire_here(limit, place);
    return lease ? nb::cast(std::make_unique<PyLease>(std::move(*lease))) : nb::int_(place);
  }

  /// The answer, a lease or an error, comes into the mailbox.
  void start(std::optional<std::int64_t> limit_ms, PyMailbox& mailbox, std::uint64_t number,
             const PyStop& stop) {
    const WithoutGil without_gil;
    mailbox.acquire(source_, limit_of(limit_ms), number, stop.token());
  }

 private:
  void start_wait(Limit limit, AcquireHandler handler, std::stop_token stop) const {
    if (limit) {
      source_.async_try_acquire_for(*limit, std::move(handler), std::move(stop));
    } else {
      source_.async_acquire(std::move(handler), std::move(stop));
    }
  }
  std::optional<Lease> acquire_here(Limit limit, std::int64_t& place) {
    if (GilGate::is_closed()) throw Cancelled(errc::cancelled, "the program is ending");
    const WithoutGil without_gil;
    if (!limit) return source_.acquire();
    if (*limit <= milliseconds::zero()) return source_.try_acquire();
    try {
      return source_.acquire_within(*limit);
    } catch (const TimedOut& error) {
      place = error.place();
      return {};
    }
  }

  // The calling thread cannot both read the socket and see to signals. It reads from a server that
  // gave it a lock just now, and will not keep it waiting: what is free is had in one round trip,
  // as always. Else, and to wait, that is left to the library's own thread.
  std::optional<Lease> acquire_interruptibly(Limit limit, std::int64_t& place) {
    const auto start = std::chrono::steady_clock::now();
    if (start - *obtained_ < trusted_for) {
      const bool is_try = limit && *limit <= milliseconds::zero();
      try {
        auto lease = acquire_here(milliseconds::zero(), place);
        if (lease) *obtained_ = std::chrono::steady_clock::now();
        if (lease || is_try) return lease;
      } catch (const Unreachable&) {
        if (is_try) throw;
        // Those who wait are more patient than those who try.
      }
      if (limit) {
        const auto spent = std::chrono::steady_clock::now() - start;
        limit = std::max(*limit - std::chrono::floor<milliseconds>(spent), milliseconds{1});
      }
    }
    struct Answer {
      Event arrived;
      AcquireResult result;
    };
    const auto answer = std::make_shared<Answer>();
    std::stop_source stop;
    const std::stop_callback when_bound{bound_stop, [&] { stop.request_stop(); }};
    {
      const WithoutGil without_gil;
      start_wait(
          limit,
          [answer](AcquireResult result) {
            answer->result = std::move(result);
            answer->arrived.set();
          },
          stop.get_token());
    }
    try {
      static_cast<void>(answer->arrived.wait(std::nullopt));
    } catch (...) {
      const WithoutGil without_gil;
      stop.request_stop();
      answer->arrived.wait_uninterrupted();
      answer->result.lease.reset();  // it may have come after all
      throw;
    }
    place = answer->result.place;
    auto lease = std::move(answer->result).get_if();
    if (lease) *obtained_ = std::chrono::steady_clock::now();
    return lease;
  }

  static constexpr milliseconds trusted_for{100};
  PyClient::Moment obtained_;
  LeaseSource source_;
};

PyLeaseSource mutex(PyClient& client, const std::string& name, const Terms& terms) {
  return {client, Mutex{*client.get(), name, options_of<LockOptions>(terms)}};
}

PyLeaseSource writer(PyClient& client, const std::string& name, const Terms& terms) {
  return {client, SharedMutex{*client.get(), name, options_of<LockOptions>(terms)}.writer()};
}

PyLeaseSource reader(PyClient& client, const std::string& name, const Terms& terms) {
  return {client, SharedMutex{*client.get(), name, options_of<LockOptions>(terms)}.reader()};
}

/// Permits: a source for each weight.
class PySemaphore {
 public:
  PySemaphore(PyClient& client, const std::string& name, std::int64_t permits, const Terms& terms)
      : obtained_(client.obtained()),
        lock_(std::make_shared<Semaphore>(*client.get(), name, permits,
                                          options_of<LockOptions>(terms))) {}

  void resize(std::int64_t permits) {
    const auto lock = lock_;
    const WithoutGil without_gil;
    lock->resize(permits);
  }
  [[nodiscard]] PyLeaseSource permits(std::int64_t weight) const {
    return {obtained_, lock_->permits(weight)};
  }

 private:
  PyClient::Moment obtained_;
  std::shared_ptr<Semaphore> lock_;
};

/// The package's exceptions, by the number of their `errc`; the first is the base of all. Never
/// destroyed: threads raise them to the end.
std::vector<nb::object>& errors() {
  static auto& classes = *new std::vector<nb::object>;
  return classes;
}

void raise(const Error& error) {
  const auto number = static_cast<std::size_t>(error.code().value());
  const auto& made = errors().at(number < errors().size() ? number : 0);
  const std::string_view text{error.what()};
  if (auto* const what = PyUnicode_DecodeUTF8(text.data(), std::ssize(text), "replace")) {
    PyErr_SetObject(made.ptr(), what);
    Py_DECREF(what);
  }
}

// Nothing of this runs Python code, which would be under C++ (see GilGate): the package's classes
// have none, and a collection of garbage has to wait. But for signal handlers in the main thread,
// which no end of an interpreter ends, and what they raise counts more.
void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const Error& error) {
    const bool collects = PyGC_Disable() != 0;
    if (PyErr_CheckSignals() == 0) raise(error);
    if (collects) PyGC_Enable();
  }
}

const char* own_domain() {
  static const auto name = std::to_string(reinterpret_cast<std::uintptr_t>(&errors));
  return name.c_str();
}

}  // namespace
}  // namespace dlock::python

// Types are those of this copy of the module alone, whatever other copies the process has.
#undef NB_DOMAIN_STR
#define NB_DOMAIN_STR dlock::python::own_domain()

NB_MODULE(_dlock, m) {
  namespace nb = nanobind;
  using namespace dlock::python;
  nb::set_leak_warnings(false);  // what modules still refer to at the end is no leak
  nb::register_exception_translator(translate);

  m.def("set_errors", [](std::vector<nb::object> classes) { errors() = std::move(classes); });
  m.def("close_gate", &GilGate::close, nb::call_guard<nb::gil_scoped_release>());
  m.def("reset_gate", &GilGate::reset);
  m.def("offer_server_program",
        [](const nb::bytes& path) { dlock::offer_server_program(text_of(path)); });

  add_client(m);
  nb::class_<Held>(m, "Held")
      .def_prop_ro("held", &Held::held)
      .def("valid_for", &Held::valid_for)
      .def("ensure_held", &Held::ensure_held)
      .def("release", &Held::release)
      .def("is_lost", &Held::is_lost)
      .def("wait_lost", &Held::wait_lost, nb::arg("ms").none())
      .def("watch_lost", &Held::watch_lost);
  nb::class_<PyLease, Held>(m, "Lease")
      .def_prop_ro("fence", &PyLease::fence)
      .def("release_later", &PyLease::release_later)
      .def("release_into", &release_into)
      .def("end_once", &PyLease::end_once);
  nb::class_<PyMailbox>(m, "Mailbox")
      .def(nb::init<>())
      .def_prop_ro("descriptor", &PyMailbox::descriptor)
      .def("take", &PyMailbox::take);
  nb::class_<PyStop>(m, "Stop")
      .def(nb::init<>())
      .def("request", &PyStop::request)
      .def("bind", &PyStop::bind);
  nb::class_<PyLeaseSource>(m, "LeaseSource")
      .def("acquire", &PyLeaseSource::acquire, nb::arg("limit").none(), nb::arg("in_main_thread"))
      .def("start", &PyLeaseSource::start, nb::arg("limit").none(), nb::arg("mailbox"),
           nb::arg("number"), nb::arg("stop"));
  m.def("mutex", &mutex);
  m.def("reader", &reader);
  m.def("writer", &writer);
  nb::class_<PySemaphore>(m, "Semaphore")
      .def(nb::init<PyClient&, const std::string&, std::int64_t, const Terms&>())
      .def("resize", &PySemaphore::resize)
      .def("permits", &PySemaphore::permits);
  add_family(m);
  add_inspection(m);
}
