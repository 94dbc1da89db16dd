// Upgrades, several locks at once, work once in a period, elections, gates and conditions.
//
// Each call that may wait takes `limit` and `in_main_thread`, as PyLeaseSource::acquire does.
#include "family.hpp"

#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <dlock/dlock.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "held.hpp"
#include "interrupts.hpp"

namespace dlock::python {
namespace {

/// Python's object for what was obtained; none for nothing.
template <class Object, class Handle>
std::unique_ptr<Object> object_of(std::optional<Handle> handle) {
  return handle ? std::make_unique<Object>(std::move(*handle)) : nullptr;
}

/// Python's object for what `wait(stop)` obtains; the place in the queue if it runs out of time.
template <class Object, class Wait>
nb::object object_or_place(bool in_main_thread, Wait wait) {
  try {
    return nb::cast(std::make_unique<Object>(interruptible(in_main_thread, std::move(wait))));
  } catch (const TimedOut& error) {
    return nb::int_(error.place());
  }
}

class PyUpgradeable : public HeldBy<UpgradeableLease> {
 public:
  using HeldBy::HeldBy;

  [[nodiscard]] std::int64_t fence() const noexcept { return handle().fence(); }
  [[nodiscard]] bool upgraded() const noexcept { return handle().upgraded(); }
  /// True, or the place in the queue.
  nb::object upgrade(Ms limit, bool in_main_thread) {
    try {
      return nb::bool_(change([&](UpgradeableLease& lease) {
        return interruptible(in_main_thread, [&](const std::stop_token& stop) {
          limit ? lease.upgrade_within(milliseconds{*limit}, stop) : lease.upgrade(stop);
          return true;
        });
      }));
    } catch (const TimedOut& error) {
      return nb::int_(error.place());
    }
  }
  void downgrade() {
    change([](UpgradeableLease& lease) {
      const WithoutGil without_gil;
      lease.downgrade();
    });
  }
};

/// What a reader-writer lock has beside its two sources.
class PySharedMutex {
 public:
  PySharedMutex(PyClient& client, const std::string& name, const Terms& terms)
      : lock_(std::make_shared<SharedMutex>(*client.get(), name, options_of<LockOptions>(terms))) {}

  nb::object acquire_upgradeable(Ms limit, bool in_main_thread) {
    const auto lock = lock_;
    return object_or_place<PyUpgradeable>(in_main_thread, [&](const std::stop_token& stop) {
      return limit ? lock->acquire_upgradeable_within(milliseconds{*limit}, stop)
                   : lock->acquire_upgradeable(stop);
    });
  }
  template <class Writer>
  std::unique_ptr<PyLease> downgrade(Writer& writer) {
    const auto lock = lock_;
    auto lease = writer.take();
    std::optional<Lease> reader;
    {
      const WithoutGil without_gil;
      reader = lock->downgrade(std::move(lease));
    }
    return object_of<PyLease>(std::move(reader));
  }

 private:
  std::shared_ptr<SharedMutex> lock_;
};

class PyLeases : public HeldBy<Leases> {
 public:
  explicit PyLeases(Leases leases) : HeldBy(std::move(leases)) {
    for (const auto& lease : handle()) fences_.push_back(lease.fence());
  }
  [[nodiscard]] std::vector<std::int64_t> fences() const { return fences_; }

 private:
  std::vector<std::int64_t> fences_;
};

/// If they do not come in time: the place in the queue of the one for which it waited, and the
/// index of that, or -1 if it is not known.
nb::object acquire_all_of(PyClient& client, const std::vector<std::string>& names,
                          const Terms& terms, Ms limit, bool in_main_thread) {
  auto inner = client.get();
  auto options = options_of<LockOptions>(terms);
  options.wait = limit_of(limit);
  try {
    return nb::cast(
        std::make_unique<PyLeases>(interruptible(in_main_thread, [&](const std::stop_token& stop) {
          const auto kept = inner;
          return acquire_all(*kept, names, options, stop);
        })));
  } catch (const TimedOut& error) {
    const auto found = std::find(names.begin(), names.end(), error.name());
    return nb::make_tuple(error.place(), found == names.end() ? -1 : found - names.begin());
  }
}

std::unique_ptr<PyLease> begin_once_of(PyClient& client, const std::string& name,
                                       std::int64_t at_least, std::int64_t at_most,
                                       std::int64_t min_replicas,
                                       std::int64_t replication_timeout) {
  std::optional<Lease> lease;
  {
    auto inner = client.get();
    const WithoutGil without_gil;
    const auto kept = std::move(inner);
    lease = begin_once(*kept, name,
                       {.at_least = milliseconds{at_least},
                        .at_most = milliseconds{at_most},
                        .min_replicas = min_replicas,
                        .replication_timeout = milliseconds{replication_timeout}});
  }
  return object_of<PyLease>(std::move(lease));
}

class PyLeadership : public HeldBy<Leadership> {
 public:
  explicit PyLeadership(Leadership leadership)
      : HeldBy(std::move(leadership)), term_(handle().term()) {}

  [[nodiscard]] std::int64_t term() const noexcept { return term_; }
  void proclaim(const nb::bytes& value) {
    change([text = text_of(value)](Leadership& leadership) {
      const WithoutGil without_gil;
      leadership.proclaim(text);
    });
  }

 private:
  const std::int64_t term_;
};

// How Python gets a leader: value, term, revision.
using PyLeader = std::tuple<nb::bytes, std::int64_t, std::int64_t>;

PyLeader tuple_of(const Leader& leader) {
  return {bytes_of(leader.value), leader.term, leader.revision};
}

/// For one thread at a time.
class PyObserver {
 public:
  explicit PyObserver(LeaderObserver observer) : observer_(std::move(observer)) {}
  ~PyObserver() {
    const WithoutGil without_gil;
    const auto gone = std::exchange(observer_, std::nullopt);
  }
  PyObserver(const PyObserver&) = delete;
  PyObserver& operator=(const PyObserver&) = delete;

  /// The kind of the change, and who leads.
  std::optional<std::tuple<int, PyLeader>> next(Ms limit, bool in_main_thread) {
    const auto change = interruptible(in_main_thread, [&](const std::stop_token& stop) {
      return limit ? observer_->next_for(milliseconds{*limit}, stop)
                   : std::optional{observer_->next(stop)};
    });
    if (!change) return std::nullopt;
    return std::tuple{static_cast<int>(change->kind), tuple_of(change->leader)};
  }

 private:
  std::optional<LeaderObserver> observer_;
};

class PyElection {
 public:
  PyElection(PyClient& client, const std::string& name, const Terms& terms)
      : election_(std::make_shared<Election>(*client.get(), name, options_of<LockOptions>(terms))) {
  }

  nb::object campaign(const nb::bytes& value, Ms limit, bool in_main_thread) {
    const auto election = election_;
    const auto text = text_of(value);
    return object_or_place<PyLeadership>(in_main_thread, [&](const std::stop_token& stop) {
      return limit ? election->campaign_within(milliseconds{*limit}, text, stop)
                   : election->campaign(text, stop);
    });
  }
  [[nodiscard]] std::optional<PyLeader> leader() const {
    const auto election = election_;
    std::optional<Leader> found;
    {
      const WithoutGil without_gil;
      found = election->leader();
    }
    return found ? std::optional{tuple_of(*found)} : std::nullopt;
  }
  [[nodiscard]] std::unique_ptr<PyObserver> observe() const {
    return std::make_unique<PyObserver>(election_->observe());
  }

 private:
  std::shared_ptr<Election> election_;
};

/// What latches and barriers have in common: parts.
template <class Gated>
class PyGate {
 public:
  explicit PyGate(std::shared_ptr<Gated> gate) : gate_(std::move(gate)) {}

  std::unique_ptr<PyLease> join() {
    return object_of<PyLease>(call([](Gated& gate) { return std::optional{gate.join()}; }));
  }

 protected:
  template <class Function>
  auto call(Function function) {
    const auto gate = gate_;
    const WithoutGil without_gil;
    return function(*gate);
  }
  std::shared_ptr<Gated> gate_;
};

class PyLatch : public PyGate<Latch> {
 public:
  PyLatch(PyClient& client, const std::string& name, std::int64_t count, std::int64_t keep,
          std::int64_t ttl)
      : PyGate(std::make_shared<Latch>(
            *client.get(), name, count,
            LatchOptions{.keep = milliseconds{keep}, .ttl = milliseconds{ttl}})) {}

  void count_down(std::int64_t n) {
    call([&](Latch& latch) { latch.count_down(n); });
  }
  void count_down_part(PyLease& part) {
    call([lease = part.take()](Latch& latch) mutable { latch.count_down(std::move(lease)); });
  }
  bool wait(Ms limit, bool in_main_thread) {
    const auto latch = gate_;
    return interruptible(in_main_thread, [&](const std::stop_token& stop) {
      if (limit) {
        return *limit <= 0 ? latch->try_wait() : latch->wait_for(milliseconds{*limit}, stop);
      }
      latch->wait(stop);
      return true;
    });
  }
};

class PyBarrier : public PyGate<Barrier> {
 public:
  PyBarrier(PyClient& client, const std::string& name, std::int64_t parties, std::int64_t ttl)
      : PyGate(std::make_shared<Barrier>(*client.get(), name, parties,
                                         BarrierOptions{.ttl = milliseconds{ttl}})) {}

  bool wait(Ms limit, bool in_main_thread) {
    const auto barrier = gate_;
    return interruptible(in_main_thread, [&](const std::stop_token& stop) {
      if (limit) return barrier->arrive_and_wait_for(milliseconds{*limit}, stop);
      barrier->arrive_and_wait(stop);
      return true;
    });
  }
  void leave(PyLease& part) {
    call([lease = part.take()](Barrier& barrier) mutable { barrier.leave(std::move(lease)); });
  }
  void reset() {
    call([](Barrier& barrier) { barrier.reset(); });
  }
};

/// A mutex and a condition variable of one name; each thread has one of its own. Another thread may
/// wait in its place and take the mutex for it, since the hold is of the object.
class PyCondition {
 public:
  PyCondition(PyClient& client, const std::string& name, const Terms& terms)
      : inner_(std::make_shared<Inner>(*client.get(), name, options_of<LockOptions>(terms))) {}

  ~PyCondition() {
    auto inner = std::move(inner_);
    const WithoutGil without_gil;
    inner.reset();
  }
  PyCondition(const PyCondition&) = delete;
  PyCondition& operator=(const PyCondition&) = delete;

  bool lock(Ms limit, bool in_main_thread) {
    const auto inner = inner_;
    return interruptible(in_main_thread, [&](const std::stop_token& stop) {
      if (limit) return inner->mutex.try_lock_for(milliseconds{*limit}, stop);
      inner->mutex.lock(stop);
      return true;
    });
  }
  void unlock() {
    const auto inner = inner_;
    const WithoutGil without_gil;
    inner->mutex.unlock();
  }
  bool wait(Ms limit, bool in_main_thread) {
    const auto inner = inner_;
    return interruptible(in_main_thread, [&](const std::stop_token& stop) {
      std::unique_lock lock{inner->mutex, std::adopt_lock};
      // A stopped wait has the mutex again; so has one that failed, if it could.
      struct Keep {
        std::unique_lock<Mutex>& lock;
        ~Keep() { lock.release(); }
      } const keep{lock};
      const auto begin = std::chrono::steady_clock::now();
      const auto once = [first = true]() mutable { return !std::exchange(first, false); };
      if (!limit) {
        inner->condition.wait(lock, stop, once);
        return true;
      }
      inner->condition.wait_for(lock, stop, milliseconds{*limit}, once);
      return std::chrono::steady_clock::now() - begin < milliseconds{*limit};
    });
  }
  void notify(bool all) {
    const auto inner = inner_;
    const WithoutGil without_gil;
    all ? inner->condition.notify_all() : inner->condition.notify_one();
  }
  /// Of the mutex, which the caller holds.
  [[nodiscard]] std::int64_t fence() const { return lease().fence(); }
  void ensure_held() const { lease().ensure_held(); }

 private:
  [[nodiscard]] const Lease& lease() const {
    inner_->mutex.adopt();  // another thread may have taken it for the caller
    return inner_->mutex.lease();
  }
  struct Inner {
    Inner(Client& client, const std::string& name, const LockOptions& options)
        : mutex(client, name, options), condition(client, name) {}
    Mutex mutex;
    ConditionVariable condition;
  };
  std::shared_ptr<Inner> inner_;
};

}  // namespace

void add_family(nb::module_& m) {
  const auto limit = nb::arg("limit").none();
  const auto in_main = nb::arg("in_main_thread");

  nb::class_<PyUpgradeable, Held>(m, "UpgradeableLease")
      .def_prop_ro("fence", &PyUpgradeable::fence)
      .def_prop_ro("upgraded", &PyUpgradeable::upgraded)
      .def("upgrade", &PyUpgradeable::upgrade, limit, in_main)
      .def("downgrade", &PyUpgradeable::downgrade);
  nb::class_<PySharedMutex>(m, "SharedMutex")
      .def(nb::init<PyClient&, const std::string&, const Terms&>())
      .def("acquire_upgradeable", &PySharedMutex::acquire_upgradeable, limit, in_main)
      .def("downgrade", &PySharedMutex::downgrade<PyLease>)
      .def("downgrade", &PySharedMutex::downgrade<PyUpgradeable>);
  nb::class_<PyLeases, Held>(m, "Leases").def_prop_ro("fences", &PyLeases::fences);
  m.def("acquire_all", &acquire_all_of, nb::arg(), nb::arg(), nb::arg(), nb::arg().none(),
        nb::arg());
  m.def("begin_once", &begin_once_of);

  nb::class_<PyLeadership, Held>(m, "Leadership")
      .def_prop_ro("term", &PyLeadership::term)
      .def("proclaim", &PyLeadership::proclaim);
  nb::class_<PyObserver>(m, "LeaderObserver").def("next", &PyObserver::next, limit, in_main);
  nb::class_<PyElection>(m, "Election")
      .def(nb::init<PyClient&, const std::string&, const Terms&>())
      .def("campaign", &PyElection::campaign, nb::arg("value"), limit, in_main)
      .def("leader", &PyElection::leader)
      .def("observe", &PyElection::observe);

  nb::class_<PyLatch>(m, "Latch")
      .def(nb::init<PyClient&, const std::string&, std::int64_t, std::int64_t, std::int64_t>())
      .def("count_down", &PyLatch::count_down)
      .def("count_down_part", &PyLatch::count_down_part)
      .def("join", &PyLatch::join)
      .def("wait", &PyLatch::wait, limit, in_main);
  nb::class_<PyBarrier>(m, "Barrier")
      .def(nb::init<PyClient&, const std::string&, std::int64_t, std::int64_t>())
      .def("wait", &PyBarrier::wait, limit, in_main)
      .def("join", &PyBarrier::join)
      .def("leave", &PyBarrier::leave)
      .def("reset", &PyBarrier::reset);
  nb::class_<PyCondition>(m, "Condition")
      .def(nb::init<PyClient&, const std::string&, const Terms&>())
      .def("lock", &PyCondition::lock, limit, in_main)
      .def("unlock", &PyCondition::unlock)
      .def("wait", &PyCondition::wait, limit, in_main)
      .def("notify", &PyCondition::notify)
      .def("fence", &PyCondition::fence)
      .def("ensure_held", &PyCondition::ensure_held);
}

}  // namespace dlock::python
