// dlock_client.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "c/arguments.hpp"
#include "c/background.hpp"
#include "c/handles.hpp"
#include "c/options.hpp"
#include "c/status.hpp"
#include "runtime/background_thread.hpp"
#include "session/session.hpp"

using namespace dlock;

namespace {

ClientOptions client_options(const dlock_client_options& from,
                             const std::shared_ptr<dlock_queue>& queue) {
  ClientOptions options;
  options.connect_timeout = c::span_of(from.connect_timeout_ms).value_or(options.connect_timeout);
  options.request_timeout = c::span_of(from.request_timeout_ms).value_or(options.request_timeout);
  options.drift_rate = from.drift_rate == 0 ? options.drift_rate : from.drift_rate;
  options.drift_floor = c::span_of(from.drift_floor_ms).value_or(options.drift_floor);
  options.safety_margin = c::span_of(from.safety_margin_ms);
  options.patience =
      from.patience_ms < 0 ? Span{} : Span{c::span_of(from.patience_ms).value_or(options.patience)};
  if (from.busy_poll_us != 0) {
    options.busy_poll = std::chrono::microseconds{std::max<std::int64_t>(from.busy_poll_us, 0)};
  }
  options.prefix = from.prefix != nullptr ? from.prefix : "";
  options.label = from.label != nullptr ? from.label : "";
  if (from.log != nullptr) {
    options.log = [log = from.log, context = from.log_context](LogLevel level,
                                                               std::string_view text) {
      log(context, static_cast<dlock_log_level>(level), std::string{text}.c_str());
    };
  } else if (from.log_to_queue != 0) {
    c::require(queue != nullptr, "the queue, to which the log is to go,");
    const auto context = reinterpret_cast<std::uintptr_t>(from.log_context);
    options.log = [queue, context](LogLevel level, std::string_view text) {
      c::Event line{DLOCK_EVENT_LOG, context};
      line.text = text;
      line.number = static_cast<std::int64_t>(level);
      queue->push_log(std::move(line));
    };
  }
  if (from.on_event != nullptr) {
    options.on_event = [handler = from.on_event, context = from.event_context](const Event& event) {
      handler(context, &c::LockEvent{event}.view());
    };
  } else if (from.events_to_queue != 0) {
    c::require(queue != nullptr, "the queue, to which the events are to go,");
    const auto context = reinterpret_cast<std::uintptr_t>(from.event_context);
    options.on_event = [queue, context, dropped = std::uint64_t{0}](const Event& event) mutable {
      c::Event told{DLOCK_EVENT_LOCK, context};
      told.lock_event.emplace(event, dropped);
      dropped = queue->push_lock_event(std::move(told)) ? 0 : dropped + 1 + event.dropped;
    };
  }
  options.slow_wait = c::span_of(from.slow_wait_ms);
  if (from.credentials != nullptr) {
    options.credentials = c::credentials_by(
        [ask = from.credentials, context = from.credentials_context](const auto& question) {
          ask(context, new dlock_login{question});
          return true;
        },
        options.connect_timeout);
  } else if (from.credentials_to_queue != 0) {
    c::require(queue != nullptr, "the queue, to which the questions for credentials are to go,");
    const auto context = reinterpret_cast<std::uintptr_t>(from.credentials_context);
    options.credentials = c::credentials_by(
        [asked = std::weak_ptr{queue}, context](const auto& question) {
          c::Event event{DLOCK_EVENT_LOGIN, context};
          event.login = question;
          const auto there = asked.lock();
          return there && there->push(std::move(event));
        },
        options.connect_timeout);
  }
  if (from.group != nullptr) {
    options.group = [group = from.group, context = from.group_context](std::string_view name) {
      std::array<char, DLOCK_GROUP_SIZE> text{};
      group(context, name.data(), name.size(), text.data());
      return std::string{text.data(), ::strnlen(text.data(), text.size())};
    };
  }
  return options;
}

}  // namespace

void dlock_group_next(void* context, const char* /*name*/, std::size_t /*length*/, char* group) {
  auto& next = *static_cast<const char**>(context);
  if (next == nullptr) {
    return;
  }
  const auto length = std::strlen(next);
  std::memcpy(group, next, std::min(length, std::size_t{DLOCK_GROUP_SIZE - 1}));
  next += length + 1;
}

dlock_status dlock_client_new(const char* url, const dlock_client_options* options,
                              dlock_client** client) {
  return c::make(client, "client", [&] {
    const auto from = c::read_options(options);
    const auto queue = from.queue != nullptr ? from.queue->shared_from_this() : nullptr;
    Client made{url != nullptr ? std::string_view{url} : std::string_view{},
                client_options(from, queue)};
    if (queue) {
      queue->add_client(made.state());
    }
    return c::handle<dlock_client>(queue, std::move(made));
  });
}

const char* dlock_client_url(const dlock_client* client) {
  return client != nullptr ? client->client.url().c_str() : nullptr;
}

void dlock_client::close() noexcept {
  if (const auto& session = client.state(); !session->is_forked()) {
    session->close();
  }
}

void dlock_client_free(dlock_client* client) {
  if (client != nullptr) {
    client->free();
  }
}

dlock_status dlock_client_free_queued(dlock_client* client, std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    const auto queue = c::queue_of(*client);
    c::check_process(*queue);
    client->leave();
    const auto free = [client, queue, context] {
      client->free();
      queue->push({DLOCK_EVENT_CLOSED, context});
    };
    try {
      runtime::background_thread(free).detach();
    } catch (const std::system_error&) {
      free();  // no thread to be had: the caller has to wait
    }
  });
}
