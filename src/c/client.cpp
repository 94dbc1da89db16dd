// dlock_client.
#include <memory>
#include <string>
#include <string_view>
#include <system_error>

#include "c/arguments.hpp"
#include "c/handles.hpp"
#include "c/options.hpp"
#include "c/status.hpp"
#include "runtime/background_thread.hpp"

using namespace dlock;

namespace {

ClientOptions client_options(const dlock_client_options& from) {
  ClientOptions options;
  options.connect_timeout = c::span_of(from.connect_timeout_ms).value_or(options.connect_timeout);
  options.request_timeout = c::span_of(from.request_timeout_ms).value_or(options.request_timeout);
  options.drift_rate = from.drift_rate == 0 ? options.drift_rate : from.drift_rate;
  options.drift_floor = c::span_of(from.drift_floor_ms).value_or(options.drift_floor);
  options.safety_margin = c::span_of(from.safety_margin_ms);
  options.prefix = from.prefix != nullptr ? from.prefix : "";
  options.label = from.label != nullptr ? from.label : "";
  if (from.log != nullptr) {
    options.log = [log = from.log, context = from.log_context](LogLevel level,
                                                               std::string_view text) {
      log(context, static_cast<dlock_log_level>(level), std::string{text}.c_str());
    };
  }
  return options;
}

}  // namespace

dlock_status dlock_client_new(const char* url, const dlock_client_options* options,
                              dlock_client** client) {
  return c::make(client, "client", [&] {
    const auto from = c::read_options(options);
    return new dlock_client{from.queue != nullptr ? from.queue->shared_from_this() : nullptr,
                            Client{url != nullptr ? url : "", client_options(from)}};
  });
}

const char* dlock_client_url(const dlock_client* client) {
  return client != nullptr ? client->client.url().c_str() : nullptr;
}

void dlock_client_free(dlock_client* client) { delete client; }

dlock_status dlock_client_free_queued(dlock_client* client, std::uint64_t context) {
  return c::guarded([&] {
    c::require(client != nullptr, "client");
    const auto queue = c::queue_of(*client);
    if (queue->is_forked()) {
      throw_error(errc::forked, "this process is a fork: its parent has the queue");
    }
    client->leave();
    const auto free = [client, queue, context] {
      delete client;
      queue->push({DLOCK_EVENT_CLOSED, context});
    };
    try {
      detail::background_thread(free).detach();
    } catch (const std::system_error&) {
      free();  // no thread to be had: the caller has to wait
    }
  });
}
