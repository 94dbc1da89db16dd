// Calls: a thread asks the router, and waits for the answer.
#include "session/session.hpp"

#include <algorithm>

#include "core/wire/keys.hpp"
#include "core/wire/text.hpp"
#include "dlock/error.hpp"
#include "runtime/clock.hpp"
#include "runtime/forced_unwind.hpp"
#include "runtime/random.hpp"
#include "store/registration.hpp"
#include "store/replication.hpp"

namespace dlock::detail {
namespace {

using runtime::Cancellation;
using std::chrono::milliseconds;

// Less than the time after which a NAT or a proxy forgets a flow that is idle.
constexpr std::chrono::seconds keep_alive{60};

// No caller could catch an exception of the sink.
void tell(const LogSink& sink, LogLevel level, std::string_view text) {
  if (!sink) return;
  try {
    sink(level, text);
  } catch (const runtime::ForcedUnwind&) {  // pthread_exit()
    throw;
  } catch (...) {
    return;
  }
}

core::Router::Settings router_settings(const StoreConfig& config) {
  const auto& options = config.options;
  core::Router::Settings settings;
  if (config.is_cluster()) {
    settings.mode = core::Router::Mode::cluster;
  } else if (config.is_quorum()) {
    settings.mode = core::Router::Mode::quorum;
    settings.servers = config.endpoint.addresses.size();
  }
  auto& engine = settings.engine;
  engine.client = config.client_id;
  engine.registration = describe_self(options.label);
  engine.drift = {options.drift_rate, options.drift_floor};
  engine.safety_margin = options.safety_margin;
  engine.request_timeout = options.request_timeout;
  engine.patience = options.patience;
  engine.keep_alive = keep_alive;
  engine.watches = true;
  engine.random = runtime::draw;
  return settings;
}

}  // namespace

Session::Session(redis::Endpoint endpoint, ClientOptions options)
    : config_(std::move(endpoint), std::move(options)),
      loop_(*this, callbacks_, config_.options.busy_poll),
      router_(router_settings(config_)),
      topology_(config_, router_, loop_,
                [this](LogLevel level, std::string text) { log(level, std::move(text)); }),
      callbacks_(config_.options.request_timeout,
                 [sink = config_.options.log](const std::string& what) {
                   tell(sink, LogLevel::error, "a handler or callback threw: " + what);
                 }),
      events_(config_.options.on_event, config_.options.prefix, callbacks_,
              [this](std::string text) { log(LogLevel::warning, std::move(text)); }) {
  if (config_.is_cluster()) {
    // The first search for such a key takes a millisecond, so the mutex is not held.
    static_cast<void>(core::fence_key_on(0));
  }
}

Session::~Session() {
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  topology_.end_watch();
  for (const auto& [make, companion] : companions_) companion->end();
  {
    Lock lock{loop_};
    close_all();
    if (!router_.settled()) {
      settling_ = true;
      const auto deadline = runtime::now() + config_.options.request_timeout;
      loop_.wait_until(lock, settled_, deadline);
    }
    topology_.abandon();
    withdraw();
    loop_.end_background();
  }
  loop_.join_background();
  companions_.clear();
  replication_.reset();
}

void Session::close() {
  const Cancellation none{PTHREAD_CANCEL_DISABLE};
  std::vector<Companion*> companions;
  Replication* replication = nullptr;
  {
    const Lock lock{loop_};
    is_closed_ = true;
    close_all();
    // Another thread may drop the session, and come to that only after the end of main().
    if (router_.idle()) withdraw();
    loop_.recheck_sleep();
    for (const auto& [make, companion] : companions_) companions.push_back(companion.get());
    replication = replication_.get();
  }
  closing_.request_stop();
  for (auto* const companion : companions) companion->end();
  if (replication != nullptr) replication->end();
  callbacks_.finish(config_.options.request_timeout);
}

void Session::close_all() {
  router_.close(runtime::now());
  carry_out();
}

// Nothing of this client is left on the server then.
void Session::withdraw() {
  router_.withdraw(runtime::now());
  carry_out();
  loop_.flush();
}

core::GroupId Session::group_of(std::string_view name) {
  if (!options().group || is_forked()) {
    return 0;
  }
  const auto group = options().group(name);
  const Lock lock{loop_};
  return router_.statistics().group(group);
}

std::shared_ptr<core::LeaseRecord> Session::acquire(const Wanted& wanted,
                                                    std::optional<milliseconds> limit,
                                                    const std::stop_token& stop,
                                                    const std::optional<core::Permits>& permits,
                                                    const core::LeaseRecord* former,
                                                    std::int64_t* place) {
  if (stop.stop_requested()) {
    throw_error(errc::cancelled, "the wait for the lock was cancelled before it began");
  }
  const auto begin = runtime::now();
  return obtain(begin, request_for(begin, wanted, limit, permits), stop, former, place);
}

std::shared_ptr<core::LeaseRecord> Session::at_gate(std::string_view name, core::Gate gate,
                                                    std::optional<milliseconds> limit,
                                                    const std::stop_token& stop) {
  if (stop.stop_requested() && gate.ticket.empty()) {
    throw_error(errc::cancelled, "the wait was cancelled before it began");
  }
  const auto begin = runtime::now();
  auto request = request_for(begin, {core::gate_key(gate.kind, name), {}}, limit, {});
  request.ttl = core::waiter_life;
  request.gate = std::make_shared<core::Gate>(std::move(gate));
  return obtain(begin, std::move(request), stop, nullptr);
}

// Waits for the answer to `request`. Returns null when its limit has passed.
std::shared_ptr<core::LeaseRecord> Session::obtain(core::Instant begin,
                                                   core::AcquireRequest request,
                                                   const std::stop_token& stop,
                                                   const core::LeaseRecord* former,
                                                   std::int64_t* place) {
  check_process();
  Call call;
  Lock lock{loop_};
  loop_.ensure_background();  // first, since it may fail
  call.gives_lease = !request.gate;
  ask(begin, call, std::move(request), former);
  carry_out(EventLoop::Write::soon);
  loop_.recheck_sleep();
  const auto on_stop_requested = [this, &call] { cancel(call); };
  std::optional<std::stop_callback<decltype(on_stop_requested)>> on_stop;
  if (stop.stop_possible()) {
    // It may run at once on this thread, and takes the mutex.
    lock.unlock();
    on_stop.emplace(stop, on_stop_requested);
    lock.lock();
  }
  if (runtime::is_unwound_when_cancelled) call.allow_cancellation();
  try {
    loop_.wait(lock, call);
  } catch (const runtime::ForcedUnwind&) {  // pthread_cancel()
    abandon(lock, call);
    throw;
  }
  on_stop.reset();

  if (auto* obtained = std::get_if<core::Obtained>(&call.answer)) {
    return std::move(obtained->lease);
  }
  const auto& refusal = std::get<core::Refusal>(call.answer);
  if (refusal.kind == core::Refusal::Kind::failed) {
    throw_error(refusal.code, refusal.what);
  }
  if (refusal.kind == core::Refusal::Kind::cancelled) {
    throw_error(errc::cancelled, "the wait was cancelled");
  }
  if (place != nullptr) {
    *place = refusal.place;
  }
  return nullptr;
}

core::AcquireRequest Session::request_for(core::Instant begin, const Wanted& wanted,
                                          std::optional<milliseconds> limit,
                                          const std::optional<core::Permits>& permits) const {
  const bool tries = limit && *limit <= milliseconds::zero();
  const auto& options = wanted.options;
  core::AcquireRequest request{.key = wanted.key,
                               .ttl = options.ttl,
                               .renew = options.renew,
                               .wait = !tries,
                               .permits = permits,
                               .group = wanted.group};
  if (options.max_hold && *options.max_hold < max_span) {
    request.max_hold = options.max_hold;
  }
  // The renewal that replicas confirm records it anyway, and so a release without a script would
  // fail.
  request.recorded = options.min_replicas > 0;
  if (tries) {
    request.deadline =
        begin + config_.options.connect_timeout + 2 * config_.options.request_timeout;
  } else if (limit && *limit < max_span) {
    request.deadline = begin + *limit;
  }
  return request;
}

std::stop_token Session::closing() {
  const Lock lock{loop_};
  return is_closed_ ? std::stop_token{} : closing_.get_token();
}

void Session::ask(core::Instant begin, Call& call, core::AcquireRequest&& request,
                  const core::LeaseRecord* former) {
  call.asked = former != nullptr ? router_.exchange(begin, id_of(call), std::move(request), *former)
                                 : router_.acquire(begin, id_of(call), std::move(request));
}

void Session::ask_for_release(const core::LeaseRecord& lease) {
  const auto now = runtime::now();
  end_leadership(now, lease);
  if (events_.is_on()) {
    events_.releasing(now, lease);
  }
  router_.release(now, lease);
}

void Session::end_leadership(core::Instant now, const core::LeaseRecord& lease) {
  if (const auto name = elections_.ended(lease.id); !name.empty() && events_.is_on()) {
    events_.deposed(now, name, lease);
  }
}

void Session::cancel(const Call& call) {
  const Lock lock{loop_};
  if (!call.asked) {
    return;
  }
  router_.cancel(runtime::now(), *call.asked, id_of(call));
  carry_out();
  loop_.recheck_sleep();
}

core::Released::Kind Session::release(const core::LeaseRecord& lease) {
  Call call;
  Lock lock{loop_};
  releases_[lease.id] = &call;
  ask_for_release(lease);
  carry_out(EventLoop::Write::soon);
  loop_.recheck_sleep();
  loop_.wait(lock, call);
  return std::get<core::Released>(call.answer).kind;
}

// A waiting thread is cancelled while it sleeps, without the mutex.
void Session::abandon(Lock& lock, Call& call) {
  loop_.leave(lock, call);
  if (!call.is_answered()) {
    router_.cancel(runtime::now(), *call.asked, id_of(call));
    carry_out();
  }
  if (const auto* const obtained = std::get_if<core::Obtained>(&call.answer);
      obtained != nullptr && obtained->lease && call.gives_lease) {
    ask_for_release(*obtained->lease);
    carry_out();
  }
  loop_.flush();
  carry_out();
  loop_.recheck_sleep();
  loop_.pass_lead();
  lock.unlock();
}

Companion& Session::companion(Companion::Make make) {
  const Lock lock{loop_};
  for (const auto& [made_by, companion] : companions_) {
    if (made_by == make) {
      return *companion;
    }
  }
  auto& made = *companions_.emplace_back(make, make(*this)).second;
  if (is_closed_) made.end();
  return made;
}

Replication& Session::replication() {
  const Lock lock{loop_};
  if (!replication_) {
    replication_ = std::make_unique<Replication>(config_, callbacks_);
    if (is_closed_) replication_->end();
  }
  return *replication_;
}

std::stop_token Session::lost(core::LeaseRecord& lease) {
  if (is_forked()) {
    std::stop_source source;
    source.request_stop();
    return source.get_token();
  }
  callbacks_.start();
  const Lock lock{loop_};
  if (!lease.lost.stop_possible()) {
    lease.lost = std::stop_source{};
    if (lease.loss.load() != core::Loss::none) {
      lease.lost.request_stop();  // no listener can exist yet
    }
  }
  return lease.lost.get_token();
}

void Session::on_loss(core::LeaseRecord& lease, const std::stop_source& whole) {
  callbacks_.start();
  const Lock lock{loop_};
  lease.lost_with.push_front(whole);
  if (lease.loss.load() != core::Loss::none) {
    tell_whole(lease);
  }
}

// The mutex is held, and the listeners are user code, so not on this thread.
void Session::tell_whole(core::LeaseRecord& lost) {
  for (auto& source : std::exchange(lost.lost_with, {})) {
    callbacks_.post([source]() mutable { source.request_stop(); }, runtime::Callbacks::Fate::runs);
  }
}

Stats Session::stats() {
  const Lock lock{loop_};
  auto stats = router_.stats();
  stats.sent_bytes = topology_.traffic().sent;
  stats.received_bytes = topology_.traffic().received;
  stats.elections = elections_.all();
  stats.dropped_events = events_.dropped();
  return stats;
}

void Session::count_deadlock(core::GroupId group) {
  const Lock lock{loop_};
  router_.statistics().deadlock(group);
}

std::string Session::id_for(std::string_view name) {
  const auto key = config_.key_of(name);
  const Lock lock{loop_};
  const auto server = config_.is_quorum() ? std::optional<core::ServerId>{0} : router_.find(key);
  return server ? router_.engine(*server).client() : std::string{};
}

void Session::campaigns(std::string_view name) {
  check_process();
  const Lock lock{loop_};
  elections_.enter(name);
}

void Session::leads(std::string_view name, const core::LeaseRecord& lease) {
  const Lock lock{loop_};
  if (lease.loss.load() == core::Loss::none) {
    elections_.lead(name, lease.id);
    if (events_.is_on()) {
      events_.elected(name, lease);
    }
  }
}

void Session::log(LogLevel level, std::string text) {
  if (!config_.options.log) {
    return;
  }
  text = core::escaped(text);
  callbacks_.post(
      [sink = config_.options.log, level, text = std::move(text)] { tell(sink, level, text); },
      runtime::Callbacks::Fate::refused);
}

void Session::answer(Call& call) {
  if (call.handler) {
    loop_.answer(std::move(call.handler));
  } else {
    loop_.answer(call);
  }
}

}  // namespace dlock::detail
