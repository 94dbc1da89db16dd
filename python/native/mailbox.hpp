// Mailbox: where the answers of asynchronous calls wait for an event loop of Python.
#pragma once

#include <unistd.h>

#include <cstdint>
#include <dlock/dlock.hpp>
#include <dlock/visitor.hpp>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "held.hpp"

namespace dlock::python {

/// How an asynchronous call ended.
struct Answer {
  std::uint64_t number = 0;      ///< of the call
  std::optional<Lease> lease{};  ///< what was acquired
  std::error_code error{};
  std::string what{};      ///< of an error
  std::int64_t place = 0;  ///< in the queue, of a wait that ran out
};

/// Thread-safe. It needs no GIL, so a thread that adds an answer waits for no thread of Python.
class Inbox {
 public:
  /// `reader` takes the answers. It must live until `close`.
  explicit Inbox(detail::Visitor& reader) : reader_(reader) {}
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  void add(Answer answer) {
    {
      const std::lock_guard lock{mutex_};
      if (!is_closed_) {
        answers_.push_back(std::move(answer));
        reader_.wake();
        return;
      }
    }
    give_back(answer);
  }

  [[nodiscard]] std::vector<Answer> take() {
    const std::lock_guard lock{mutex_};
    return std::exchange(answers_, {});
  }

  /// Gives back what is here, and what comes later.
  void close() {
    std::vector<Answer> left;
    {
      const std::lock_guard lock{mutex_};
      is_closed_ = true;
      left.swap(answers_);
    }
    for (auto& answer : left) give_back(answer);
  }

 private:
  static void give_back(Answer& answer) noexcept {
    try {
      if (answer.lease) async_release(std::move(*answer.lease), nullptr);
    } catch (const std::exception&) {
      return;  // it ends by its ttl
    }
  }

  detail::Visitor& reader_;
  std::mutex mutex_;
  std::vector<Answer> answers_;
  bool is_closed_ = false;
};

/// The same as Python has it. Its end closes the inbox.
class PyMailbox {
 public:
  PyMailbox() = default;
  ~PyMailbox() {
    if (::getpid() != process_) return;  // its parent's, whose threads may have locked it
    const WithoutGil without_gil;
    inbox_->close();
    visitor_.reset();
  }
  PyMailbox(const PyMailbox&) = delete;
  PyMailbox& operator=(const PyMailbox&) = delete;

  /// A list of `(number, lease, code, message, place)`.
  [[nodiscard]] nb::list take() {
    std::vector<Answer> answers;
    {
      const WithoutGil without_gil;
      visitor_->take();
      answers = inbox_->take();
    }
    nb::list all;
    for (auto& answer : answers) {
      auto lease = answer.lease ? std::make_unique<PyLease>(std::move(*answer.lease)) : nullptr;
      all.append(nb::make_tuple(answer.number, nb::cast(std::move(lease)), answer.error.value(),
                                answer.what, answer.place));
    }
    return all;
  }
  [[nodiscard]] int descriptor() const noexcept { return visitor_->descriptor(); }

  /// Begins to acquire; the answer, a lease or an error, has `number`. Without the GIL.
  void acquire(const LeaseSource& from, Limit limit, std::uint64_t number,
               const std::stop_token& stop) {
    visitor_->acquire(
        from, limit,
        [inbox = inbox_, number](AcquireResult result) {
          inbox->add({number, std::move(result.lease), result.error, std::move(result.what),
                      result.place});
        },
        stop);
  }
  /// Gives `lease` back; the answer has `number`. Without the GIL.
  void release(Lease lease, std::uint64_t number) {
    visitor_->release(std::move(lease), [inbox = inbox_, number](std::error_code error) {
      inbox->add({number, {}, error, error ? error.message() : std::string{}});
    });
  }

 private:
  const ::pid_t process_ = ::getpid();
  std::optional<detail::Visitor> visitor_{std::in_place};
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>(*visitor_);
};

/// Gives `lease` back; the answer has `number`.
inline void release_into(PyLease& lease, PyMailbox& mailbox, std::uint64_t number) {
  auto handle = lease.take();
  const WithoutGil without_gil;
  mailbox.release(std::move(handle), number);
}

}  // namespace dlock::python
