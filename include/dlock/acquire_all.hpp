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
#include "dlock/lease_source.hpp"
#include "dlock/options.hpp"
#include "dlock/until.hpp"

namespace dlock {

namespace detail {
class LeasesState;
}

/// Several leases that are used as one: those of `acquire_all`, or others that belong together, of
/// any kind. Move-only; `const` members are thread-safe. The destructor releases all of them, and
/// blocks for at most one request timeout in all, as that of one `Lease`.
class DLOCK_API Leases {
 public:
  /// Holds nothing.
  Leases() noexcept = default;
  /// Takes `leases` over, in their order.
  [[nodiscard]] explicit Leases(std::vector<Lease> leases);
  ~Leases();
  /// Takes over the leases of `other`, which then has none.
  Leases(Leases&& other) noexcept;
  /// Releases its own leases as the destructor does, and takes over those of `other`.
  Leases& operator=(Leases&& other) noexcept;
  Leases(const Leases&) = delete;
  Leases& operator=(const Leases&) = delete;

  /// How many leases there are, in the order in which they were asked for. After a release they are
  /// still there, with their names and fences, but hold nothing.
  [[nodiscard]] std::size_t size() const noexcept;
  /// The lease at `index`, which is less than `size()`. Each has a fence of its own.
  [[nodiscard]] const Lease& operator[](std::size_t index) const noexcept;
  /// The first lease, for loops over all.
  [[nodiscard]] std::vector<Lease>::const_iterator begin() const noexcept;
  /// Behind the last lease.
  [[nodiscard]] std::vector<Lease>::const_iterator end() const noexcept;

  /// A token that is requested when `Lease::lost()` of any of them is. The other leases go on until
  /// they are released.
  [[nodiscard]] std::stop_token lost() const;
  /// The shortest `Lease::valid_for()` of all; zero if there are none.
  [[nodiscard]] std::chrono::milliseconds valid_for() const noexcept;
  /// Whether all of them hold; false if there are none.
  [[nodiscard]] bool held() const noexcept;
  /// Throws what `Lease::ensure_held()` throws for the first that does not hold. Throws
  /// `UsageError` if there are none.
  void ensure_held() const;
  /// Gives all leases back, in one go. When all is done, throws `LockLost` if one of them had ended
  /// before, or else `Unreachable` if the server did not answer. Does nothing if they hold nothing.
  void release();

  /// Whether there is something to release.
  [[nodiscard]] explicit operator bool() const noexcept;

 private:
  void unbind() const noexcept;
  std::shared_ptr<detail::LeasesState> state_;
};

/// Waits until it has a lease from each of `sources`, and returns them in that order. Takes them in
/// one step if all are free mutexes of one client with equal options. Otherwise it waits for one
/// after the other, in an order that is the same for everybody who uses this function, so that its
/// callers cannot deadlock; it holds the leases it has while it waits for the rest. It holds
/// nothing when it throws. Thread-safe.
///
///     auto all = dlock::acquire_all({account, document.reader(), gpus.permits(2)});
///
/// Waits for at most the shortest `LockOptions::wait` of all sources. With `LockOptions::renew`
/// off, the time of the first lease runs while the others are waited for.
///
/// Throws `UsageError` if there are no sources or two of one name, `LockLost` when a lease was lost
/// before the last one came, and otherwise what `LeaseSource::acquire()` throws.
[[nodiscard]] DLOCK_API Leases acquire_all(const std::vector<LeaseSource>& sources,
                                           const std::stop_token& stop = {});
/// The same, but waits for at most `span`, whatever the options of the sources say.
[[nodiscard]] DLOCK_API Leases acquire_all_within(const std::vector<LeaseSource>& sources,
                                                  std::chrono::milliseconds span,
                                                  const std::stop_token& stop = {});
/// The same with a span of any unit.
template <class Rep, class Period>
[[nodiscard]] Leases acquire_all_within(const std::vector<LeaseSource>& sources,
                                        const std::chrono::duration<Rep, Period>& span,
                                        const std::stop_token& stop = {}) {
  return acquire_all_within(sources, detail::in_ms(span), stop);
}

/// Returns a lease from each of `sources` if all are free now and nobody waits for one of them.
/// Throws what `acquire_all` throws.
[[nodiscard]] DLOCK_API std::optional<Leases> try_acquire_all(
    const std::vector<LeaseSource>& sources);

/// Returns a lease from each of `sources` if all come within `span`; a span of zero or less tries
/// once. `stop` ends the wait with `Cancelled`. Throws what `acquire_all` throws.
[[nodiscard]] DLOCK_API std::optional<Leases> try_acquire_all_for(
    const std::vector<LeaseSource>& sources, std::chrono::milliseconds span,
    const std::stop_token& stop = {});
/// The same with a span of any unit.
template <class Rep, class Period>
[[nodiscard]] std::optional<Leases> try_acquire_all_for(
    const std::vector<LeaseSource>& sources, const std::chrono::duration<Rep, Period>& span,
    const std::stop_token& stop = {}) {
  return try_acquire_all_for(sources, detail::in_ms(span), stop);
}

/// `acquire_all` of the mutexes `names`, all with `options`.
[[nodiscard]] DLOCK_API Leases acquire_all(Client& client, const std::vector<std::string>& names,
                                           const LockOptions& options = {},
                                           const std::stop_token& stop = {});
/// `try_acquire_all` of the mutexes `names`, all with `options`.
[[nodiscard]] DLOCK_API std::optional<Leases> try_acquire_all(Client& client,
                                                              const std::vector<std::string>& names,
                                                              const LockOptions& options = {});
/// `try_acquire_all_for` of the mutexes `names`, all with `options`.
[[nodiscard]] DLOCK_API std::optional<Leases> try_acquire_all_for(
    Client& client, const std::vector<std::string>& names, std::chrono::milliseconds span,
    const LockOptions& options = {}, const std::stop_token& stop = {});
/// The same with a span of any unit.
template <class Rep, class Period>
[[nodiscard]] std::optional<Leases> try_acquire_all_for(
    Client& client, const std::vector<std::string>& names,
    const std::chrono::duration<Rep, Period>& span, const LockOptions& options = {},
    const std::stop_token& stop = {}) {
  return try_acquire_all_for(client, names, detail::in_ms(span), options, stop);
}

}  // namespace dlock
