// Mailbox: where the answers of asynchronous calls wait for an event loop of Python.
#pragma once

#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <dlock/dlock.hpp>
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

/// Thread-safe. It needs no GIL, so the thread that adds an answer waits for no thread of Python.
class Inbox {
 public:
  Inbox() : descriptor_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (descriptor_ < 0) throw std::system_error{errno, std::generic_category(), "eventfd"};
  }
  ~Inbox() { ::close(descriptor_); }
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  /// Is readable while there are answers that were not taken.
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

  void add(Answer answer) {
    {
      const std::lock_guard lock{mutex_};
      if (!is_closed_) {
        answers_.push_back(std::move(answer));
        if (answers_.size() > 1) return;
        const std::uint64_t one = 1;
        static_cast<void>(!::write(descriptor_, &one, sizeof one));
        return;
      }
    }
    give_back(answer);
  }

  [[nodiscard]] std::vector<Answer> take() {
    const std::lock_guard lock{mutex_};
    std::uint64_t count = 0;
    static_cast<void>(!::read(descriptor_, &count, sizeof count));
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

  const int descriptor_;
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
    inbox->close();
  }
  PyMailbox(const PyMailbox&) = delete;
  PyMailbox& operator=(const PyMailbox&) = delete;

  /// A list of `(number, lease, code, message, place)`.
  [[nodiscard]] nb::list take() const {
    nb::list all;
    for (auto& answer : inbox->take()) {
      auto lease = answer.lease ? std::make_unique<PyLease>(std::move(*answer.lease)) : nullptr;
      all.append(nb::make_tuple(answer.number, nb::cast(std::move(lease)), answer.error.value(),
                                answer.what, answer.place));
    }
    return all;
  }
  [[nodiscard]] int descriptor() const noexcept { return inbox->descriptor(); }

  const std::shared_ptr<Inbox> inbox = std::make_shared<Inbox>();

 private:
  const ::pid_t process_ = ::getpid();
};

/// Gives `lease` back; the answer has `number`.
inline void release_into(PyLease& lease, const PyMailbox& mailbox, std::uint64_t number) {
  auto handle = lease.take();
  const WithoutGil without_gil;
  async_release(std::move(handle), [inbox = mailbox.inbox, number](std::error_code error) {
    inbox->add({number, {}, error, error ? error.message() : std::string{}});
  });
}

}  // namespace dlock::python
