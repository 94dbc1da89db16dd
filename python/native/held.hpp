// What Python holds: the client, and the handles of what it acquired.
#pragma once

#include <nanobind/nanobind.h>

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

using std::chrono::milliseconds;
using Limit = std::optional<milliseconds>;  ///< of a wait; none: for ever

using Ms = std::optional<std::int64_t>;  ///< the same, as Python says it

inline Limit limit_of(Ms ms) { return ms ? Limit{*ms} : std::nullopt; }

/// Names and values are bytes that need not be UTF-8.
inline std::string text_of(const nb::bytes& bytes) { return {bytes.c_str(), bytes.size()}; }
inline nb::bytes bytes_of(const std::string& text) { return nb::bytes(text.data(), text.size()); }

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

class PyClient {
 public:
  PyClient(const std::string& url, const std::string& prefix, const nb::bytes& label,
           nb::callable log, std::optional<nb::callable> group,
           std::optional<nb::callable> on_event, Ms slow_wait,
           std::optional<nb::callable> credentials);
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
  /// When the main thread last got a lock from this store. Under the GIL.
  using Moment = std::shared_ptr<std::chrono::steady_clock::time_point>;
  [[nodiscard]] const Moment& obtained() const noexcept { return obtained_; }

 private:
  std::shared_ptr<Client> client_;
  Moment obtained_ = std::make_shared<Moment::element_type>();
};

/// What `function(client)` returns, without the GIL.
template <class Function>
auto asked(const PyClient& client, Function function) {
  auto inner = client.get();
  const WithoutGil without_gil;
  const auto kept = std::move(inner);  // if it is the last, it ends without the GIL
  return function(*kept);
}

/// Something held, of whatever kind: what all kinds have. All members are called with the GIL,
/// which makes them thread-safe.
class Held {
 public:
  virtual ~Held() = default;
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

  [[nodiscard]] virtual std::int64_t valid_for() const = 0;
  [[nodiscard]] virtual bool held() const = 0;
  virtual void ensure_held() const = 0;
  virtual void release() = 0;

  [[nodiscard]] bool is_lost() const noexcept { return lost_.stop_requested(); }
  bool wait_lost(std::optional<std::int64_t> ms) const {
    const auto event = std::make_shared<Event>();
    const std::stop_callback watch{lost_, [event] { event->set(); }};
    const std::stop_callback when_bound{bound_stop, [event] { event->set(); }};
    static_cast<void>(event->wait(limit_of(ms)));
    return is_lost();
  }
  /// `function()` is called once, on a thread of the library, or here if it is lost already.
  void watch_lost(nb::callable function) {
    const auto callback = std::make_shared<const Callback>(std::move(function));
    watches_.push_back(std::make_unique<Watch>(
        lost_, [callback] { callback->call([] { return nb::make_tuple(); }); }));
  }

 protected:
  using Watch = std::stop_callback<std::function<void()>>;
  explicit Held(std::stop_token lost) : lost_(std::move(lost)) {}
  std::vector<std::unique_ptr<Watch>> watches_;

 private:
  const std::stop_token lost_;
};

/// The same around `Handle`: a `Lease`, or what has its members.
template <class Handle>
class HeldBy : public Held {
 public:
  explicit HeldBy(Handle handle) : Held(handle.lost()), handle_(std::move(handle)) {}
  ~HeldBy() override {
    auto handle = std::move(handle_);
    auto watches = std::move(watches_);
    const WithoutGil without_gil;
    watches.clear();
    handle = Handle{};
  }
  HeldBy(const HeldBy&) = delete;
  HeldBy& operator=(const HeldBy&) = delete;

  [[nodiscard]] std::int64_t valid_for() const override { return handle_.valid_for().count(); }
  [[nodiscard]] bool held() const override { return handle_.held(); }
  void ensure_held() const override { handle_.ensure_held(); }
  void release() override {
    auto handle = take();
    const WithoutGil without_gil;
    if constexpr (requires { handle.resign(); }) {
      handle.resign();
    } else {
      handle.release();
    }
  }
  /// For calls that need all of it; nothing is left here.
  [[nodiscard]] Handle take() {
    refuse_if_busy();
    return std::move(handle_);
  }

 protected:
  /// `function(handle)` without the GIL; nobody else may change the handle meanwhile.
  template <class Function>
  auto change(Function function) {
    refuse_if_busy();
    busy_ = true;
    struct Done {
      bool& busy;
      ~Done() { busy = false; }
    } const done{busy_};
    return function(handle_);
  }
  [[nodiscard]] const Handle& handle() const noexcept { return handle_; }

 private:
  void refuse_if_busy() const {
    if (busy_) throw UsageError(errc::usage, "another thread is changing this lease");
  }
  Handle handle_;
  bool busy_ = false;
};

class PyLease : public HeldBy<Lease> {
 public:
  explicit PyLease(Lease lease) : HeldBy(std::move(lease)), fence_(handle().fence()) {}

  [[nodiscard]] std::int64_t fence() const noexcept { return fence_; }
  void release_later(nb::callable done) {
    const auto callback = std::make_shared<const Callback>(std::move(done));
    auto lease = take();
    const WithoutGil without_gil;
    async_release(std::move(lease), [callback](std::error_code code) {
      callback->call([&] { return nb::make_tuple(code.value(), code.message()); });
    });
  }
  /// Of a lease of `begin_once`, when its work is done.
  void end_once() {
    auto lease = take();
    const WithoutGil without_gil;
    detail::end_once(std::move(lease));
  }

 private:
  const std::int64_t fence_;
};

}  // namespace dlock::python
