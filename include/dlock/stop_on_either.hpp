/// @file
/// StopOnEither: one stop token for two reasons to stop.
#pragma once

#include <stop_token>
#include <utility>

namespace dlock {

/// A stop token that is requested as soon as either of two others is: that of a `std::jthread` and
/// `Lease::lost()`, most often. Thread-safe; neither copied nor moved. The token works for as long
/// as this object lives.
///
///     std::jthread worker{[&lease](std::stop_token stop) {
///       const dlock::StopOnEither either{stop, lease.lost()};
///       while (!either.get_token().stop_requested()) work();
///     }};
class StopOnEither {
 public:
  /// Listens to both until it is destroyed.
  StopOnEither(std::stop_token first, std::stop_token second)
      : on_first_(std::move(first), Request{source_}),
        on_second_(std::move(second), Request{source_}) {}
  StopOnEither(const StopOnEither&) = delete;
  StopOnEither& operator=(const StopOnEither&) = delete;

  /// The token that is requested when either of the two is.
  [[nodiscard]] std::stop_token get_token() const noexcept { return source_.get_token(); }

 private:
  struct Request {
    std::stop_source source;
    void operator()() noexcept { source.request_stop(); }
  };
  std::stop_source source_;
  std::stop_callback<Request> on_first_;
  std::stop_callback<Request> on_second_;
};

}  // namespace dlock
