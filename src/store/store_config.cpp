// StoreConfig: where a client's locks are, with which options, and what it is called there.
#include "store/store_config.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include "core/wire/keys.hpp"
#include "core/wire/token.hpp"
#include "dlock/error.hpp"
#include "local_server/local_server.hpp"
#include "runtime/fork.hpp"
#include "runtime/random.hpp"
#include "store/shared_question.hpp"

namespace dlock::detail {
namespace {

ClientOptions sharing_questions(ClientOptions options) {
  if (options.credentials) {
    options.credentials = [question = std::make_shared<SharedQuestion>(
                               std::move(options.credentials), options.connect_timeout)] {
      return question->ask();
    };
  }
  return options;
}

}  // namespace

StoreConfig::StoreConfig(redis::Endpoint where, ClientOptions client_options)
    : endpoint(std::move(where)),
      options(sharing_questions(std::move(client_options))),
      url(endpoint.display()),
      client_id(core::hex(runtime::random_bits()[0])),
      generation_(runtime::fork_generation()) {}

redis::Connection::Settings StoreConfig::connection_settings() const {
  return {.endpoint = endpoint,
          .client_name = "dlock:" + client_id,
          .connect_timeout = options.connect_timeout,
          .find_local = local_server::find_local_server,
          .credentials = options.credentials};
}

std::string StoreConfig::key_of(std::string_view name) const {
  if (name.empty()) {
    throw_error(errc::usage, "a name must not be empty; is a variable not set?");
  }
  return std::string{options.prefix}.append(name);
}

std::string StoreConfig::fence_key_for(std::string_view key) const {
  const auto slot = core::slot_of(key);
  return is_cluster()  ? core::fence_key_on(slot)
         : has_slots() ? core::fence_key_behind_endpoint(slot)
                       : std::string{core::fence_key};
}

bool StoreConfig::are_together(std::span<const std::string> keys) const {
  return has_slots() ? std::all_of(keys.begin(), keys.end(),
                                   [&](const std::string& key) {
                                     return core::slot_of(key) == core::slot_of(keys.front());
                                   })
                     : !is_quorum() || keys.size() < 2;
}

bool StoreConfig::is_forked() const noexcept { return runtime::fork_generation() != generation_; }

void StoreConfig::check_process() const {
  if (is_forked()) {
    throw_error(errc::forked,
                "this process is a fork of the one that made the client and holds none of its "
                "locks: make a new Client after fork()");
  }
}

}  // namespace dlock::detail
