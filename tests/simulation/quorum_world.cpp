// QuorumWorld: the network, the clients, the faults, and what is promised.
#include "simulation/quorum_world.hpp"

#include <algorithm>

#include "simulation/referee.hpp"
#include "support/permits_model.hpp"

namespace dlock::sim {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t epoch_us = 1'700'000'000'000'000;
const std::string mutex_key = "job";
const std::string shared_key = "doc";
constexpr Duration request_timeout = seconds{1};
constexpr int most_ppm = 4000;

}  // namespace

struct QuorumWorld::Server {
  explicit Server(test::StoreModel::PublishFn publish) : store(std::move(publish)) {}
  [[nodiscard]] test::Micros time(Time now) const {
    return std::chrono::duration_cast<test::Micros>(clock.at(now).time_since_epoch());
  }
  test::StoreModel store;
  Clock clock;
  Time down_until{};
};

struct QuorumWorld::Link {
  std::uint64_t epoch = 0;  ///< what is of another does not count
  bool open = false;
  bool subscribed = false;
  Time mute_until{};  ///< nothing gets through, and nobody learns it
  Time up_free{}, down_free{};
};

struct QuorumWorld::User {
  bool keeps_coming = false;  ///< a reader, until all others are served
  Use use{};
  std::int64_t floor = 0;  ///< the greatest fence when it asked
  int rounds = 0;
  core::WaiterId waiter = 0;
  std::shared_ptr<core::LeaseRecord> lease;
  core::LeaseId releasing = 0;
};

struct QuorumWorld::Client {
  Client(core::Router::Settings settings, Clock its_clock)
      : clock(its_clock),
        links(settings.servers),
        id(settings.engine.client),
        router(std::move(settings)) {}

  Clock clock;
  std::vector<Link> links;
  std::vector<User> users;
  std::string id;
  core::Router router;
  Time stopped_until{};
  Time excused_until{};  ///< a server lost a part of its lease
  bool ever_stopped = false;
  std::deque<std::function<void()>> unread;
  std::uint64_t alarm = 0;
  std::optional<core::Instant> armed;
};

QuorumTally& QuorumTally::operator+=(const QuorumTally& other) {
  obtained += other.obtained;
  lost += other.lost;
  passed += other.passed;
  busy += other.busy;
  unreachable += other.unreachable;
  timed_out += other.timed_out;
  cancelled += other.cancelled;
  raised += other.raised;
  beaten += other.beaten;
  retaken += other.retaken;
  wiped += other.wiped;
  deleted += other.deleted;
  pauses += other.pauses;
  shared += other.shared;
  written += other.written;
  return *this;
}

QuorumWorld::QuorumWorld(std::uint64_t seed) : random_(seed) {
  ttls_ = {random_.spread(milliseconds{300}, seconds{4})};
  ttls_.push_back(ttls_.front() * 2);
  longest_ = ttls_.back();
  fault_time_ = seed % 8 == 0 ? Duration{} : Duration{seconds{30}};
  const auto nodes = random_.chance(0.6) ? 3U : random_.chance(0.8) ? 5U : 4U;
  for (std::size_t node = 0; node < nodes; ++node) {
    servers_.push_back(
        std::make_unique<Server>([this, node](std::string_view channel, std::string_view message) {
          return publish(node, channel, message);
        }));
    auto& clock = servers_.back()->clock;
    clock.ppm = random_.number(-most_ppm, most_ppm);
    // They agree to less than a server stays away that lost its data.
    clock.zero_ns = epoch_us * 1000 + random_.between(-longest_ / 4, longest_ / 4).count();
  }
  mutex_share_ = random_.chance(0.4) ? 1 : random_.chance(0.5) ? 0.4 : 0;
  const bool has_crowd = mutex_share_ < 1 && random_.chance(0.4);
  const auto clients = random_.number(1, 4);
  for (int number = 0; number < clients; ++number) {
    core::Router::Settings settings{core::Router::Mode::quorum, nodes, {}};
    settings.engine.client = core::hex(random_.bits());
    settings.engine.registration = "{}";
    settings.engine.request_timeout = request_timeout;
    settings.engine.patience = seconds{5};
    settings.engine.random = [random = std::make_shared<Random>(random_.fork())] {
      return core::RandomBits{random->bits(), random->bits()};
    };
    auto& client = *clients_.emplace_back(std::make_unique<Client>(
        std::move(settings), Clock{random_.number<std::int64_t>(0, 1'000'000'000'000),
                                   random_.number(-most_ppm, most_ppm)}));
    client.users.resize(random_.chance(0.5) ? 1 : 3);
    if (has_crowd) {
      client.users.resize(client.users.size() + 2);
      client.users[0].keeps_coming = client.users[1].keeps_coming = true;
    }
  }
}

QuorumWorld::~QuorumWorld() = default;

// --- the network --------------------------------------------------------------------------------

Duration QuorumWorld::delay() {
  const bool slow = agenda_.now() < fault_time_ && random_.chance(0.02);
  return slow ? random_.spread(milliseconds{5}, seconds{2})
              : random_.spread(microseconds{50}, milliseconds{5});
}

void QuorumWorld::dial(Client& client, std::size_t node) {
  agenda_.in(delay(), [this, &client, node] {
    auto& link = client.links[node];
    const bool works = agenda_.now() >= servers_[node]->down_until;
    if (works && agenda_.now() < link.mute_until) {  // it fails when nothing answers
      agenda_.in(request_timeout, [this, &client, node] {
        in_client(client, [this, &client, node] {
          client.router.on_connect_failed(client.clock.at(agenda_.now()), node, errc::unreachable,
                                          "timed out");
        });
      });
      return;
    }
    ++link.epoch;  // the old connection is killed
    link.subscribed = false;
    in_client(client, [this, &client, node, works, epoch = link.epoch] {
      const auto at = client.clock.at(agenda_.now());
      auto& own = client.links[node];
      if (!works || own.epoch != epoch) {
        client.router.on_connect_failed(at, node, errc::unreachable, "refused");
        return;
      }
      own.open = true;
      own.up_free = own.down_free = agenda_.now();
      client.router.on_connected(at, node, true);
    });
  });
}

void QuorumWorld::cut(Client& client, std::size_t node, bool told) {
  auto& link = client.links[node];
  const bool was_open = std::exchange(link.open, false);
  if (told && was_open) {
    in_client(client, [this, &client, node] {
      client.router.on_disconnected(client.clock.at(agenda_.now()), node, "reset");
    });
  }
}

void QuorumWorld::send(Client& client, std::size_t node, const core::Command& command) {
  auto& link = client.links[node];
  link.up_free = std::max(link.up_free, agenda_.now() + delay());
  agenda_.at(link.up_free, [this, &client, node, epoch = link.epoch, command] {
    execute(client, node, epoch, command);
  });
}

// Also of a connection that its client has closed, until it makes another.
void QuorumWorld::execute(Client& client, std::size_t node, std::uint64_t epoch,
                          const core::Command& command) {
  auto& link = client.links[node];
  auto& server = *servers_[node];
  if (link.epoch != epoch || agenda_.now() < link.mute_until || agenda_.now() < server.down_until) {
    return;
  }
  std::string text = "OK";
  static constexpr std::pair<core::Verb, std::string_view> scripts[] = {
      {core::Verb::acquire, "acquire"},
      {core::Verb::release, "release"},
      {core::Verb::renew, "renew"},
      {core::Verb::write_fence, "write_fence"}};
  for (const auto& [verb, script] : scripts) {
    if (command.verb == verb) {
      const auto name =
          (command.kind == core::Kind::permits ? "permits_" : "") + std::string{script};
      text = server.store.run(server.time(agenda_.now()), name, command.keys, command.args);
      tally_.raised += verb == core::Verb::write_fence && text.ends_with("written") ? 1 : 0;
      tally_.beaten += text.find(" passed ") != text.npos ? 1 : 0;
      tally_.retaken += verb == core::Verb::acquire && text.find(" acquired ") != text.npos &&
                                std::any_of(client.users.begin(), client.users.end(),
                                            [](const User& user) { return user.lease != nullptr; })
                            ? 1
                            : 0;
    }
  }
  link.subscribed = link.subscribed || command.verb == core::Verb::subscribe;
  link.down_free = std::max(link.down_free, agenda_.now() + delay());
  agenda_.at(link.down_free,
             [this, &client, node, epoch, text] { reply(client, node, epoch, text); });
  check();
}

void QuorumWorld::reply(Client& client, std::size_t node, std::uint64_t epoch, std::string text) {
  if (client.links[node].epoch != epoch || agenda_.now() < client.links[node].mute_until) {
    return;
  }
  in_client(client, [this, &client, node, epoch, text = std::move(text)] {
    if (client.links[node].open && client.links[node].epoch == epoch) {
      client.router.on_reply(client.clock.at(agenda_.now()), node, {.text = text});
    }
  });
}

// A connection that nobody knows to be dead has received it.
int QuorumWorld::publish(std::size_t node, std::string_view channel, std::string_view message) {
  for (const auto& client : clients_) {
    auto& link = client->links[node];
    if (core::channel_of(client->id) != channel || !link.subscribed) {
      continue;
    }
    link.down_free = std::max(link.down_free, agenda_.now() + delay());
    const auto deliver = [this, client = client.get(), node, epoch = link.epoch,
                          text = std::string{message}] {
      const auto& own = client->links[node];
      if (own.open && own.epoch == epoch) {
        client->router.on_message(client->clock.at(agenda_.now()), node, text);
      }
    };
    agenda_.at(link.down_free, [this, client = client.get(), node, epoch = link.epoch, deliver] {
      const auto& own = client->links[node];
      if (own.epoch == epoch && agenda_.now() >= own.mute_until) {
        in_client(*client, deliver);
      }
    });
    return 1;
  }
  return 0;
}

// --- the clients --------------------------------------------------------------------------------

void QuorumWorld::in_client(Client& client, std::function<void()> event) {
  if (agenda_.now() < client.stopped_until || !client.unread.empty()) {
    client.unread.push_back(std::move(event));
    return;
  }
  event();
  perform(client);
}

void QuorumWorld::perform(Client& client) {
  std::vector<core::Action> actions;
  while (const auto node = client.router.take_actions(actions)) {
    for (const auto& action : actions) {
      carry_out(client, *node, action);
    }
  }
  arm(client);
  check();
}

void QuorumWorld::arm(Client& client) {
  const auto next = client.router.next_timer();
  if (next == client.armed || next == core::Instant::max()) {
    return;
  }
  client.armed = next;
  const auto when = std::max(client.clock.when(next), agenda_.now());
  agenda_.at(when, [this, &client, alarm = ++client.alarm] {
    if (alarm != client.alarm) {
      return;
    }
    client.armed.reset();
    in_client(client, [this, &client] { client.router.on_timer(client.clock.at(agenda_.now())); });
  });
}

void QuorumWorld::carry_out(Client& client, std::size_t node, const core::Action& action) {
  if (const auto* to_send = std::get_if<core::Send>(&action)) {
    if (client.links[node].open) {
      send(client, node, to_send->command);
    }
  } else if (std::holds_alternative<core::Connect>(action)) {
    dial(client, node);
  } else if (std::holds_alternative<core::Disconnect>(action)) {
    cut(client, node, false);
  } else {
    tell(client, action);
  }
}

void QuorumWorld::tell(Client& client, const core::Action& action) {
  const auto find = [&client](auto is_it) -> User* {
    const auto found = std::find_if(client.users.begin(), client.users.end(), is_it);
    return found == client.users.end() ? nullptr : &*found;
  };
  const auto now = client.clock.at(agenda_.now());
  if (const auto* obtained = std::get_if<core::Obtained>(&action)) {
    auto* user = find([&](const User& u) { return u.waiter == obtained->waiter; });
    if (user == nullptr) {
      Referee::fail("answers", "a wait was answered twice");
    }
    tally_.written += user->use == Use::writer ? 1 : 0;
    tally_.shared += user->use == Use::reader && somebody_reads() ? 1 : 0;
    user->waiter = 0;
    user->lease = obtained->lease;
    ++tally_.obtained;
    tally_.passed += obtained->lease->fence.sequence > 0 ? 1 : 0;
    if (agenda_.now() >= client.excused_until) {
      check_fence(*user, obtained->lease->fence.number());
    }
    const auto hold = random_.chance(user->keeps_coming ? 0 : 0.2)
                          ? random_.between({}, longest_ * 2)
                          : random_.spread(microseconds{100}, milliseconds{200});
    agenda_.in(hold, [this, &client, user, lease = obtained->lease] {
      in_client(client, [this, &client, user, lease] {
        if (user->lease == lease) {
          end(client, *user);
        }
      });
    });
  } else if (const auto* refusal = std::get_if<core::Refusal>(&action)) {
    auto* user = find([&](const User& u) { return u.waiter == refusal->waiter; });
    if (user == nullptr) {
      Referee::fail("answers", "a wait was answered twice");
    }
    tally_.busy += refusal->kind == core::Refusal::Kind::busy ? 1 : 0;
    tally_.timed_out += refusal->kind == core::Refusal::Kind::timed_out ? 1 : 0;
    tally_.cancelled += refusal->kind == core::Refusal::Kind::cancelled ? 1 : 0;
    if (refusal->kind == core::Refusal::Kind::failed) {
      ++tally_.unreachable;
      if (fault_time_ == Duration{}) {
        Referee::fail("answers", "a wait failed without a fault: " + refusal->what);
      }
    }
    user->waiter = 0;
    next_round(client, *user);
  } else if (const auto* lost = std::get_if<core::Lost>(&action)) {
    ++tally_.lost;
    auto* user = find([&](const User& u) { return u.lease == lost->lease; });
    if (user == nullptr) {
      return;  // it was released too late
    }
    if (fault_time_ == Duration{}) {
      Referee::fail("loss", "a lease was lost without a fault");
    }
    if (!client.ever_stopped && lost->lease->loss.load() == core::Loss::expired &&
        now > lost->lease->end()) {
      Referee::fail("loss", "a loss was told after the end");
    }
    if (random_.chance(0.7)) {
      end(client, *user);
    }
  } else if (const auto* released = std::get_if<core::Released>(&action)) {
    auto* user = find([&](const User& u) { return u.releasing == released->lease; });
    if (user == nullptr) {
      Referee::fail("answers", "a release was answered twice");
    }
    if (fault_time_ == Duration{} && released->kind != core::Released::Kind::released) {
      Referee::fail("answers", "a release failed without a fault");
    }
    user->releasing = 0;
    next_round(client, *user);
  }
}

void QuorumWorld::begin(Client& client, User& user) {
  const auto now = client.clock.at(agenda_.now());
  user.use = user.keeps_coming              ? Use::reader
             : random_.chance(mutex_share_) ? Use::mutex
             : random_.chance(0.5)          ? Use::reader
                                            : Use::writer;
  core::AcquireRequest wish{.key = mutex_key, .ttl = random_.pick(ttls_)};
  if (user.use != Use::mutex) {
    wish.key = shared_key;
    wish.permits = {user.use == Use::reader ? core::reader_weight : core::writer_weight,
                    core::shared_capacity};
    user.floor = all_fences_.empty() ? 0 : *all_fences_.rbegin();
  }
  wish.renew = !random_.chance(fault_time_ == Duration{} ? 0 : 0.1);
  wish.wait = !random_.chance(0.15);
  if (random_.chance(0.1) && fault_time_ != Duration{}) {
    wish.max_hold = random_.between(milliseconds{10}, longest_);
  }
  if (wish.wait && random_.chance(0.15)) {
    wish.deadline = now + random_.spread(milliseconds{1}, seconds{4});
  }
  user.waiter = ++last_waiter_;
  if (random_.chance(0.1)) {
    agenda_.in(random_.spread(microseconds{100}, seconds{1}),
               [this, &client, waiter = user.waiter] {
                 in_client(client, [this, &client, waiter] {
                   client.router.cancel(client.clock.at(agenda_.now()), 0, waiter);
                 });
               });
  }
  client.router.acquire(now, user.waiter, std::move(wish));
}

void QuorumWorld::end(Client& client, User& user) {
  const auto lease = std::exchange(user.lease, nullptr);
  user.releasing = lease->id;
  client.router.release(client.clock.at(agenda_.now()), *lease);
}

void QuorumWorld::next_round(Client& client, User& user) {
  ++user.rounds;
  if (user.keeps_coming ? are_served() : user.rounds > 25 && agenda_.now() > fault_time_) {
    return;
  }
  const auto most = user.keeps_coming ? milliseconds{20} : milliseconds{300};
  agenda_.in(random_.spread(microseconds{100}, most), [this, &client, &user] {
    in_client(client, [this, &client, &user] { begin(client, user); });
  });
}

// --- what is promised ---------------------------------------------------------------------------

bool QuorumWorld::somebody_reads() const {
  return std::any_of(clients_.begin(), clients_.end(), [](const auto& client) {
    return std::any_of(client->users.begin(), client->users.end(),
                       [](const User& user) { return user.lease && user.use == Use::reader; });
  });
}

// Who has something left by its own clock: one holder of the mutex; one writer, or readers.
void QuorumWorld::check() {
  std::size_t owners = 0;
  std::size_t readers = 0;
  std::size_t writers = 0;
  for (const auto& client : clients_) {
    for (const auto& user : client->users) {
      if (!user.lease || agenda_.now() < client->excused_until ||
          user.lease->left(client->clock.at(agenda_.now())) == Duration::zero()) {
        continue;
      }
      ++(user.use == Use::mutex ? owners : user.use == Use::reader ? readers : writers);
    }
  }
  if (owners > 1) {
    Referee::fail("exclusion", "two hold the mutex");
  }
  if (writers > 1 || (writers > 0 && readers > 0)) {
    Referee::fail("exclusion", "somebody holds the lock beside a writer");
  }
}

// Greater than that of anybody who held before: of a mutex the last; else of those who had it when
// this one asked, and of those who cannot have held at the same time. No two have the same.
void QuorumWorld::check_fence(const User& user, std::int64_t fence) {
  auto least = fence_;
  if (user.use == Use::mutex) {
    fence_ = std::max(fence_, fence);
  } else {
    least = std::max(user.floor, write_fence_);
    if (user.use == Use::writer && !all_fences_.empty()) {
      least = std::max(least, *all_fences_.rbegin());
    }
    if (!all_fences_.insert(fence).second) {
      Referee::fail("fence", "two leases have the same fence");
    }
    write_fence_ = user.use == Use::writer ? std::max(write_fence_, fence) : write_fence_;
  }
  if (fence <= least) {
    Referee::fail("fence", "a fence is not greater than the one before");
  }
}

// --- faults -------------------------------------------------------------------------------------

void QuorumWorld::fault() {
  if (agenda_.now() >= fault_time_) {
    return;
  }
  agenda_.in(random_.spread(milliseconds{20}, seconds{2}), [this] { fault(); });
  auto& client = *clients_[random_.below(clients_.size())];
  const auto node = random_.below(servers_.size());
  auto& server = *servers_[node];
  const auto down = static_cast<std::size_t>(
      std::count_if(servers_.begin(), servers_.end(),
                    [this](const auto& one) { return agenda_.now() < one->down_until; }));
  const auto go_down = [&](Duration span) {
    server.down_until = std::max(server.down_until, agenda_.now() + span);
    for (const auto& each : clients_) {
      ++each->links[node].epoch;
      each->links[node].subscribed = false;
      cut(*each, node, true);
    }
  };
  switch (random_.below(6)) {
    case 0:
      cut(client, node, true);
      break;
    case 1:
      client.links[node].mute_until =
          agenda_.now() + random_.spread(milliseconds{50}, longest_ * 2);
      break;
    case 2:  // with its data
      go_down(random_.spread(milliseconds{1}, longest_ * 2));
      break;
    case 3:  // without it: a minority, which stays away for the longest ttl
      if (down < (servers_.size() - 1) / 2) {
        ++tally_.wiped;
        server.store.flush();
        go_down(longest_ + longest_ / 50 + milliseconds{50});
      }
      break;
    case 4:
      ++tally_.pauses;
      client.ever_stopped = true;
      client.stopped_until = agenda_.now() + random_.spread(milliseconds{10}, longest_ * 2);
      agenda_.at(client.stopped_until, [this, &client] {
        if (agenda_.now() < client.stopped_until) {
          return;
        }
        while (!client.unread.empty()) {
          const auto event = std::move(client.unread.front());
          client.unread.pop_front();
          event();
          perform(client);
        }
      });
      break;
    default:  // somebody deletes it: holders are not to be blamed until the part would have ended
      const auto now = server.time(agenda_.now());
      const auto& key = random_.chance(0.5) ? mutex_key : shared_key;
      const auto found = server.store.state(now, key).value;
      const auto value = core::parse_value(found);
      if (server.store.foreign_del(now, key)) {
        ++tally_.deleted;
        for (const auto& each : clients_) {
          if ((value && each->id == core::client_of(value->token)) ||
              test::holds_permits(found, each->id, now)) {
            each->excused_until = agenda_.now() + longest_ + longest_ / 50;
          }
        }
      }
      break;
  }
}

bool QuorumWorld::are_served() const {
  return agenda_.now() > fault_time_ &&
         std::all_of(clients_.begin(), clients_.end(), [](const auto& client) {
           return std::all_of(client->users.begin(), client->users.end(), [](const User& user) {
             return user.keeps_coming ||
                    (user.waiter == 0 && !user.lease && user.releasing == 0 && user.rounds > 25);
           });
         });
}

bool QuorumWorld::done() const {
  return are_served() && std::all_of(clients_.begin(), clients_.end(),
                                     [](const auto& client) { return client->router.idle(); });
}

void QuorumWorld::run() {
  for (const auto& client : clients_) {
    for (auto& user : client->users) {
      next_round(*client, user);
    }
  }
  if (fault_time_ != Duration{}) {
    fault();
  }
  const auto end = fault_time_ + seconds{600};
  bool healed = false;
  while (!done()) {
    if (!agenda_.step(end)) {
      Referee::fail("progress", "somebody waits for ever");
    }
    if (!healed && agenda_.now() > fault_time_) {
      healed = true;
      for (const auto& client : clients_) {
        for (auto& link : client->links) {
          link.mute_until = {};
        }
      }
    }
  }
  for (const auto& server : servers_) {
    for (const auto& key : {mutex_key, shared_key}) {
      const auto now = server->time(agenda_.now());
      const auto state = server->store.state(now, key);
      const bool is_held =
          key == mutex_key ? state.pttl != -2
                           : std::any_of(clients_.begin(), clients_.end(), [&](const auto& one) {
                               return test::holds_permits(state.value, one->id, now);
                             });
      if (is_held || !state.queue.empty()) {
        Referee::fail("remains", "something is left: " + state.value);
      }
    }
  }
}

}  // namespace dlock::sim
