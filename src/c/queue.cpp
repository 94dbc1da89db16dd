// dlock_queue: events for an event loop, and the end of what belonged to it.
#include "c/queue.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "c/handles.hpp"
#include "c/status.hpp"
#include "runtime/background_thread.hpp"
#include "runtime/cancellation.hpp"

using namespace dlock;

namespace dlock::c {

Belonging::Belonging(std::shared_ptr<dlock_queue> queue) : queue_(std::move(queue)) {
  if (queue_) {
    const std::lock_guard lock{queue_->mutex_};
    queue_->join(*this);
  }
}

Belonging::~Belonging() { leave(); }

void Belonging::leave() {
  if (const auto queue = std::exchange(queue_, nullptr)) {
    queue->leave(*this);
  }
}

void Belonging::free() noexcept {
  leave();
  close();
  const auto last = std::move(self_);
}

Pending::~Pending() {
  if (queue_) {
    guarded([&] { queue_->push(std::move(event_)); });
  }
}

void Event::end(dlock_status how) {
  status = how;
  if (how == DLOCK_OK) {
    message.clear();
    return;
  }
  const auto& failure = last_failure();
  message = failure.what;
  number = failure.place;
  lock = failure.lock;
}

bool Pending::end(dlock_status status, dlock_lease* lease) {
  event_.end(status);
  event_.lease = lease;
  return std::exchange(queue_, nullptr)->push(std::move(event_));
}

}  // namespace dlock::c

namespace {

// Where nobody else can hear of it.
void complain(const std::string& text) {
  const auto line = "dlock: " + text + '\n';
  static_cast<void>(!::write(STDERR_FILENO, line.data(), line.size()));
}

}  // namespace

dlock_queue::dlock_queue() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    throw std::system_error{errno, std::generic_category(), "socketpair"};
  }
  own_end_ = ends[0];
  reader_end_ = ends[1];
}

dlock_queue::~dlock_queue() {
  const runtime::Cancellation none{PTHREAD_CANCEL_DISABLE};
  hang_up_ = {};
  ::close(own_end_);
  if (reader_end_ >= 0) {
    ::close(reader_end_);
  }
}

int dlock_queue::start() {
  runtime::background_thread([self = shared_from_this()] { self->watch(); }).detach();
  return std::exchange(reader_end_, -1);
}

std::stop_token dlock_queue::begin_wait(std::uint64_t context) {
  const std::lock_guard lock{mutex_};
  const auto [wait, is_new] = waits_.try_emplace(context);
  if (!is_new) {
    throw_error(errc::usage, "a wait with this context is under way in the queue");
  }
  return wait->second.get_token();
}

void dlock_queue::end_wait(std::uint64_t context) {
  const std::lock_guard lock{mutex_};
  waits_.erase(context);
}

void dlock_queue::cancel(std::uint64_t context) {
  std::stop_source stop{std::nostopstate};
  {
    const std::lock_guard lock{mutex_};
    if (const auto wait = waits_.find(context); wait != waits_.end()) {
      stop = wait->second;
    }
  }
  stop.request_stop();
}

bool dlock_queue::push(Event event) {
  std::unique_lock lock{mutex_};
  if (has_ended_) {
    return false;
  }
  if (event.kind == DLOCK_EVENT_ACQUIRED || event.kind == DLOCK_EVENT_DONE) {
    waits_.erase(event.context);
  }
  log_lines_ += static_cast<std::size_t>(event.kind == DLOCK_EVENT_LOG);
  lock_events_ += static_cast<std::size_t>(event.kind == DLOCK_EVENT_LOCK);
  if (event.lease != nullptr) {  // which belongs to none yet
    event.lease->queue_ = shared_from_this();
    join(*event.lease);
  }
  if (runs_on_ == std::this_thread::get_id() && !has_taken_) {
    taken_ = std::move(event);
    has_taken_ = true;
    return true;
  }
  return add(lock, std::move(event));
}

bool dlock_queue::post(Call& call) {
  std::unique_lock lock{mutex_};
  return !has_ended_ && add(lock, std::move(call));
}

bool dlock_queue::add(std::unique_lock<std::mutex>& lock, std::variant<Event, Call> entry) {
  entries_.push_back(std::move(entry));
  if (std::exchange(is_told_, true)) {
    return true;
  }
  lock.unlock();
  // There is room: one byte is under way at most, unless the reader does not read it.
  static_cast<void>(::send(own_end_, "", 1, MSG_NOSIGNAL | MSG_DONTWAIT));
  return true;
}

namespace {

constexpr std::size_t max_lines = 1000;  // of a reader that does not come round

}  // namespace

bool dlock_queue::push_lock_event(Event event) {
  {
    const std::lock_guard lock{mutex_};
    if (lock_events_ >= max_lines) {
      return false;
    }
  }
  return push(std::move(event));
}

void dlock_queue::push_log(Event line) {
  {
    const std::lock_guard lock{mutex_};
    if (log_lines_ >= max_lines) {
      return;
    }
  }
  push(std::move(line));
}

const c::Event* dlock_queue::next() {
  while (true) {
    Call call;
    {
      const std::lock_guard lock{mutex_};
      if (entries_.empty()) {
        is_told_ = false;
        return nullptr;
      }
      auto entry = std::move(entries_.front());
      entries_.pop_front();
      if (auto* const event = std::get_if<Event>(&entry)) {
        taken_ = std::move(*event);
        log_lines_ -= static_cast<std::size_t>(taken_.kind == DLOCK_EVENT_LOG);
        lock_events_ -= static_cast<std::size_t>(taken_.kind == DLOCK_EVENT_LOCK);
        return &taken_;
      }
      call = std::get<Call>(std::move(entry));
    }
    runs_on_ = std::this_thread::get_id();
    c::guarded([&] { call->run(); });
    call.reset();
    runs_on_ = std::thread::id{};
    if (std::exchange(has_taken_, false)) {
      return &taken_;
    }
  }
}

// With the mutex.
void dlock_queue::join(Belonging& belonging) {
  belonging.place_ = belongings_.insert(belongings_.end(), &belonging);
}

void dlock_queue::leave(Belonging& belonging) {
  if (is_forked()) {
    return;  // the mutex may stay locked
  }
  const std::lock_guard lock{mutex_};
  if (!has_ended_) {
    belongings_.erase(belonging.place_);
  }
}

// On the thread of its own.
void dlock_queue::watch() {
  ::pollfd hang_up{own_end_, 0, 0};
  while (::poll(&hang_up, 1, -1) <= 0) {
  }
  end();
}

// Waits first: nothing that is given back is to be theirs.
void dlock_queue::end() {
  decltype(waits_) waits;
  decltype(belongings_) belongings;
  decltype(entries_) entries;
  decltype(clients_) clients;
  {
    const std::lock_guard lock{mutex_};
    has_ended_ = true;
    clients.swap(clients_);
    waits.swap(waits_);
    belongings.swap(belongings_);
    entries.swap(entries_);
  }
  for (const auto& [number, unless_gone] : clients) {
    if (const auto client = unless_gone.lock()) {
      client->expect_visits(nullptr, 0);  // else what is given back would wait for the reader
    }
  }
  for (auto& [context, stop] : waits) {
    stop.request_stop();
  }
  for (auto& entry : entries) {
    if (auto* const call = std::get_if<Call>(&entry)) {
      c::guarded([&] { (*call)->run(); });  // it gives back what it has
    }
  }
  std::string first;
  std::size_t others = 0;
  for (auto* const belonging : belongings) {
    c::guarded([&] {
      auto report = belonging->abandon();
      others += static_cast<std::size_t>(!report.empty() && !first.empty());
      first = first.empty() ? std::move(report) : first;
    });
  }
  if (!first.empty()) {
    complain(first + (others > 0 ? ", and " + std::to_string(others) + " others with it" : ""));
  }
  for (auto* const belonging : belongings) {
    belonging->free();
  }
}

dlock_status dlock_queue_new(dlock_queue** queue, int* descriptor) {
  return c::make(queue, "queue", [&] {
    c::require(descriptor != nullptr, "descriptor");
    *descriptor = -1;
    const auto made = std::make_shared<dlock_queue>();
    *descriptor = made->start();
    return made.get();  // its thread has it
  });
}

namespace {

// For a reader that is too old to have it there is none.
dlock_login* login_of(const c::Event& event, std::size_t size) {
  const bool has_room = size >= offsetof(dlock_event, login) + sizeof(dlock_login*);
  return event.login && has_room ? new dlock_login{event.login} : nullptr;
}

}  // namespace

int dlock_queue_next(dlock_queue* queue, dlock_event* event) {
  if (queue == nullptr || event == nullptr || event->size < sizeof event->size ||
      queue->is_forked()) {
    return 0;
  }
  const auto* const taken = queue->next();
  if (taken == nullptr) {
    return 0;
  }
  if (taken->lease != nullptr) {
    taken->lease->tell_loss(taken->context);
  }
  const dlock_event all{sizeof all,
                        taken->kind,
                        taken->status,
                        taken->context,
                        taken->lease,
                        taken->status == DLOCK_OK ? nullptr : taken->message.c_str(),
                        taken->text.empty() ? nullptr : taken->text.c_str(),
                        taken->leader ? &*taken->leader : nullptr,
                        taken->number,
                        taken->lock_event ? &taken->lock_event->view() : nullptr,
                        taken->lock.empty() ? nullptr : taken->lock.c_str(),
                        taken->lock.size(),
                        login_of(*taken, event->size)};
  const auto size = event->size;
  std::memcpy(event, &all, std::min(size, sizeof all));
  event->size = size;
  return 1;
}

void dlock_queue_cancel(dlock_queue* queue, std::uint64_t context) {
  if (queue != nullptr && !queue->is_forked()) {
    queue->cancel(context);
  }
}
