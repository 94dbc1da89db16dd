// The library as an addon of Node.js: lets its event loop poll the sockets of a queue, for which
// JavaScript has no means. process.dlopen() calls napi_register_module_v1().
#include <array>
#include <cstdint>
#include <exception>
#include <memory>
#include <new>
#include <utility>

#include "c/node_api.hpp"
#include "c/queue.hpp"
#include "dlock/export.h"

namespace {

// The sockets of a queue in the event loop of a thread, until the queue or the thread ends. It
// keeps no event loop alive.
class Reading {
 public:
  /// `taking` is called when there are events. Does nothing where the event loop refuses.
  static void begin(napi_env env, std::shared_ptr<dlock_queue> queue, napi_value taking) {
    uv_loop_t* loop = nullptr;
    if (napi_get_uv_event_loop(env, &loop) != napi_ok) {
      return;
    }
    auto made = std::make_unique<Reading>(env, std::move(queue));
    if (uv_poll_init(loop, made->handle(), made->queue_->sockets()) != 0) {
      made->queue_->forget_sockets();
      return;
    }
    auto& reading = *made.release();  // closing it deletes it
    uv_handle_set_data(reading.handle(), &reading);
    uv_unref(reading.handle());
    if (napi_create_reference(env, taking, 1, &reading.taking_) != napi_ok ||
        napi_add_async_cleanup_hook(env, on_cleanup, &reading, &reading.hook_) != napi_ok ||
        uv_poll_start(reading.handle(), uv_readable, on_readable) != 0) {
      reading.queue_->forget_sockets();
      reading.close();
    }
  }

  Reading(napi_env env, std::shared_ptr<dlock_queue> queue)
      : env_(env),
        queue_(std::move(queue)),
        handle_(::operator new(uv_handle_size(uv_type_poll))) {}
  ~Reading() { ::operator delete(handle_); }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  [[nodiscard]] uv_handle_t* handle() const { return static_cast<uv_handle_t*>(handle_); }
  static Reading& of(const uv_handle_t* handle) {
    return *static_cast<Reading*>(uv_handle_get_data(handle));
  }

  static void on_readable(uv_handle_t* handle, int status, int /*events*/) {
    auto& reading = of(handle);
    const auto queue = reading.queue_;
    const auto found = status == 0 ? queue->read() : dlock_queue::Found::end;
    if (found == dlock_queue::Found::end) {
      reading.close();
    } else if (found == dlock_queue::Found::events) {
      call(reading.env_, reading.taking_);  // the reading may be gone afterwards
      queue->write();
    }
  }

  // What is thrown there is an uncaught exception.
  static void call(napi_env env, napi_ref taking) {
    napi_handle_scope scope = nullptr;
    if (napi_open_handle_scope(env, &scope) != napi_ok) {
      return;
    }
    napi_value self = nullptr;
    napi_value function = nullptr;
    napi_value error = nullptr;
    if (napi_get_global(env, &self) == napi_ok &&
        napi_get_reference_value(env, taking, &function) == napi_ok &&
        napi_make_callback(env, nullptr, self, function, 0, nullptr, nullptr) ==
            napi_pending_exception &&
        napi_get_and_clear_last_exception(env, &error) == napi_ok) {
      napi_fatal_exception(env, error);
    }
    napi_close_handle_scope(env, scope);
  }

  static void on_cleanup(napi_async_cleanup_hook_handle /*hook*/, void* reading) {
    static_cast<Reading*>(reading)->close();
  }

  void close() {
    if (uv_is_closing(handle()) == 0) {
      uv_close(handle(), [](uv_handle_t* handle) {
        const std::unique_ptr<Reading> last{&of(handle)};
        if (last->taking_ != nullptr) {
          napi_delete_reference(last->env_, last->taking_);
        }
        if (last->hook_ != nullptr) {
          napi_remove_async_cleanup_hook(last->hook_);
        }
      });
    }
  }

  const napi_env env_;
  const std::shared_ptr<dlock_queue> queue_;
  void* const handle_;
  napi_ref taking_ = nullptr;
  napi_async_cleanup_hook_handle hook_ = nullptr;
};

// readSockets(queue, take): this thread reads the sockets of the clients of a new queue, and calls
// `take` when there are events.
napi_value read_sockets(napi_env env, napi_callback_info info) {
  std::size_t count = 2;
  std::array<napi_value, 2> arguments{};
  std::uint64_t address = 0;
  bool lossless = false;
  if (napi_get_cb_info(env, info, &count, arguments.data(), nullptr, nullptr) == napi_ok &&
      count == arguments.size() &&
      napi_get_value_bigint_uint64(env, arguments[0], &address, &lossless) == napi_ok) {
    try {
      auto& queue = *reinterpret_cast<dlock_queue*>(address);
      Reading::begin(env, queue.shared_from_this(), arguments[1]);
    } catch (const std::exception& error) {
      napi_throw_error(env, nullptr, error.what());
    }
  }
  return nullptr;
}

}  // namespace

extern "C" DLOCK_API napi_value napi_register_module_v1(napi_env env, napi_value exports) {
  napi_value function = nullptr;
  if (uv_poll_init != nullptr &&
      napi_create_function(env, "readSockets", 11, read_sockets, nullptr, &function) == napi_ok) {
    napi_set_named_property(env, exports, "readSockets", function);
  }
  return exports;
}
