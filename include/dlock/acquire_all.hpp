/// @file
/// acquire_all: several locks at once, all of them or none.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "dlock/client.hpp"
#include "dlock/export.h"
#include "dlock/lease.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class LeasesState;
}

/// Several leases that are used as one: those of `acquire_all`, or others that belong together, of
/// any kind. Move-only; `const` members are thread-safe. The destructor releases all of them, and
/// blocks as that of one `Lease`.
class DLOCK_API Leases {
 public:
  /// Holds nothing.
  Leases() noexcept = default;
  /// Takes them over, in their order.
  explicit Leases(std::vector<Lease> leases);
  ~Leases();
  /// Takes them over; the other has none then.
  Leases(Leases&& other) noexcept;
  /// Releases its own as the destructor does, and takes over those of `other`.
  Leases& operator=(Leases&& other) noexcept;
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  /// How many there are. They stand in the order in which they were asked for; after a release
  /// there are none.
  [[nodiscard]] std::size_t size() const noexcept;
  /// `index` is less than `size()`. Each has a fence of its own.
  [[nodiscard]] const Lease& operator[](std::size_t index) const noexcept;
  /// The first, for loops over all.
  [[nodiscard]] std::vector<Lease>::const_iterator begin() const noexcept;
  /// Behind the last.
  [[nodiscard]] std::vector<Lease>::const_iterator end() const noexcept;

  /// Requested when `Lease::lost()` of any of them is. The others go on until they are released.
  [[nodiscard]] std::stop_token lost() const;
  /// What is left until the first of them ends.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// Whether all of them hold; false for none.
  [[nodiscard]] bool held() const noexcept;
  /// Throws as `Lease::ensure_held()` for the first that does not hold.
  void ensure_held() const;
  /// Gives all back, in one go. Throws when all is done: `LockLost` if one had ended before, else
  /// `Unreachable` if the server did not answer. Releasing twice does nothing.
  void release();

  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

 private:
  void unbind() const noexcept;
  std::shared_ptr<detail::LeasesState> state_;
};

/// Waits until it has all mutexes `names`, and returns their leases in the order of `names`. Takes
/// them in one step if all are free. If not, waits for one after the other, in an order that is the
/// same for all who use this function, so that these cannot deadlock; it holds those it has while
/// it waits for the rest. Nothing is held when it throws.
///
/// With `LockOptions::renew` false the time of the first runs while the others are waited for.
///
/// Throws `UsageError` for no names and for a name that stands there twice, `LockLost` when one was
/// lost before the last was there, else as `Mutex::acquire()`. Thread-safe.
[[nodiscard]] DLOCK_API Leases acquire_all(Client& client, const std::vector<std::string>& names,
                                           LockOptions options = {},
                                           const std::stop_token& stop = {});
/// All, if all are free now and nobody waits for one, else none.
[[nodiscard]] DLOCK_API std::optional<Leases> try_acquire_all(Client& client,
                                                              const std::vector<std::string>& names,
                                                              LockOptions options = {});

namespace detail {
[[nodiscard]] DLOCK_API std::optional<Leases> acquire_all_in(Client& client,
                                                             const std::vector<std::string>& names,
                                                             std::chrono::milliseconds span,
                                                             LockOptions options,
                                                             const std::stop_token& stop);
}  // namespace detail

/// All, if they come within `span`; zero or less tries once. Throws `Cancelled` when `stop` ends
/// the wait.
template <class Rep, class Period>
[[nodiscard]] std::optional<Leases> try_acquire_all_for(
    Client& client, const std::vector<std::string>& names,
    const std::chrono::duration<Rep, Period>& span, LockOptions options = {},
    const std::stop_token& stop = {}) {
  return detail::acquire_all_in(client, names, detail::in_ms(span), options, stop);
}

}  // namespace dlock
