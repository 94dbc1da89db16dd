// Operations on two locks by four clients: generators, and their text.
#include "script/operation.hpp"

#include <ostream>

#include "script/store.hpp"

namespace dlock::test {

namespace {

using namespace std::chrono_literals;
namespace gen = rc::gen;

template <class Kind>
rc::Gen<Operation> operation(rc::Gen<Kind> kinds) {
  return gen::map(std::move(kinds), [](Kind kind) { return Operation{std::move(kind)}; });
}

rc::Gen<int> any_key() { return gen::inRange(0, key_count); }

rc::Gen<bool> once_in(int n) {
  return gen::map(gen::inRange(0, n), [n](int drawn) { return drawn == n - 1; });
}

rc::Gen<Token> any_token() {
  return gen::build<Token>(gen::set(&Token::number, gen::inRange(0, pool_size)),
                           gen::set(&Token::of_holder, once_in(8)));
}

rc::Gen<Token> likely_holder() {
  return gen::build<Token>(
      gen::set(&Token::number, gen::inRange(0, pool_size)),
      gen::set(&Token::of_holder, gen::map(once_in(4), [](bool other) { return !other; })));
}

rc::Gen<Millis> any_ttl() { return gen::element<Millis>(3000ms, 1ms, 10ms, 400ms, 30000ms); }

rc::Gen<Operation> any_acquire() {
  return operation(gen::build<Acquire>(
      gen::set(&Acquire::key, any_key()), gen::set(&Acquire::token, any_token()),
      gen::set(&Acquire::ttl, any_ttl()),
      gen::set(&Acquire::wait, gen::map(once_in(6), [](bool attempt) { return !attempt; })),
      gen::set(&Acquire::keep, once_in(10)),
      gen::set(&Acquire::ticket,
               gen::weightedElement<Ticket>(
                   {{4, Ticket::none}, {4, Ticket::known}, {1, Ticket::shifted}})),
      gen::set(&Acquire::recent, gen::weightedElement<std::optional<int>>(
                                     {{4, std::nullopt}, {3, 0}, {1, -7}, {2, 3}})),
      gen::set(&Acquire::shift, gen::element<Micros>(-5s, -16s, 1s, -4s - 1us)),
      gen::set(&Acquire::old, gen::weightedOneOf<std::optional<Token>>(
                                  {{5, gen::just(std::optional<Token>{})},
                                   {1, gen::map(likely_holder(), [](Token token) {
                                      return std::optional<Token>{token};
                                    })}}))));
}

rc::Gen<Operation> any_acquire_bare() {
  return operation(gen::build<AcquireBare>(gen::set(&AcquireBare::key, any_key()),
                                           gen::set(&AcquireBare::token, any_token()),
                                           gen::set(&AcquireBare::ttl, any_ttl())));
}

rc::Gen<Operation> any_release_bare() {
  return operation(gen::build<ReleaseBare>(gen::set(&ReleaseBare::key, any_key()),
                                           gen::set(&ReleaseBare::token, likely_holder())));
}

rc::Gen<Operation> any_acquire_all() {
  const auto tokens = gen::mapcat(gen::inRange<std::size_t>(1, key_count + 1), [](auto count) {
    return gen::container<std::vector<Token>>(count, any_token());
  });
  return operation(gen::build<AcquireAll>(gen::set(&AcquireAll::first, any_key()),
                                          gen::set(&AcquireAll::tokens, tokens),
                                          gen::set(&AcquireAll::ttl, any_ttl())));
}

rc::Gen<Operation> any_release() {
  return operation(gen::build<Release>(
      gen::set(&Release::key, any_key()), gen::set(&Release::token, likely_holder()),
      gen::set(&Release::keep, gen::weightedElement<std::optional<Millis>>(
                                   {{6, std::nullopt}, {1, 1ms}, {1, 2499ms}, {1, 5000ms}}))));
}

rc::Gen<Operation> any_renew() {
  const auto lease = gen::build<Lease>(
      gen::set(&Lease::key, any_key()), gen::set(&Lease::token, likely_holder()),
      gen::set(&Lease::ttl, any_ttl()), gen::set(&Lease::sequence, gen::inRange(0, 3)));
  const auto leases = gen::mapcat(gen::inRange<std::size_t>(1, 4), [lease](std::size_t count) {
    return gen::container<std::vector<Lease>>(count, lease);
  });
  return operation(gen::build<Renew>(gen::set(&Renew::leases, leases)));
}

rc::Gen<Operation> any_write_fence() {
  return operation(gen::build<WriteFence>(
      gen::set(&WriteFence::key, any_key()), gen::set(&WriteFence::token, likely_holder()),
      gen::set(&WriteFence::ttl, any_ttl()),
      gen::set(&WriteFence::by, gen::element(-1, 0, 1, 1000000))));
}

rc::Gen<Operation> any_break() {
  const auto off = gen::weightedElement<int>({{5, 0}, {1, 1}});
  return operation(gen::build<Break>(
      gen::set(&Break::key, any_key()), gen::set(&Break::counter_off, off),
      gen::set(&Break::sequence_off, off), gen::set(&Break::ask, gen::arbitrary<bool>())));
}

rc::Gen<Operation> any_foreign_set() {
  const auto ttl = gen::element<std::optional<Millis>>(std::nullopt, 500ms, 5000ms);
  return operation(gen::build<ForeignSet>(gen::set(&ForeignSet::key, any_key()),
                                          gen::set(&ForeignSet::ttl, ttl)));
}

rc::Gen<Operation> any_drop() {
  const auto part = gen::weightedElement<Part>({{8, Part::lock},
                                                {1, Part::queue},
                                                {1, Part::seen},
                                                {1, Part::fence},
                                                {1, Part::all},
                                                {1, Part::scripts}});
  return operation(gen::build<Drop>(gen::set(&Drop::key, any_key()), gen::set(&Drop::part, part)));
}

// Around the limits in the scripts: claims, lives, turns; and far beyond them, and back.
rc::Gen<Operation> any_advance() {
  const auto forward = gen::element<Micros>(1us, 999us, 1ms, 9ms, 150ms, 151ms, 400ms, 2999ms,
                                            3000ms, 3001ms, 4s, 4s + 1us, 5s);
  const auto far = gen::element<Micros>(15s, 15s + 1us, 16s, 20s, 20s + 1ms, 31s, 3600s);
  const auto back = gen::element<Micros>(-1us, -100ms, -2s, -10s, -60s);
  return operation(gen::build<Advance>(
      gen::set(&Advance::by, gen::weightedOneOf<Micros>({{12, forward}, {2, far}, {1, back}}))));
}

rc::Gen<Operation> any_operation() {
  return gen::weightedOneOf<Operation>({
      {30, any_acquire()},
      {14, any_acquire_bare()},
      {4, any_release_bare()},
      {6, any_acquire_all()},
      {12, any_release()},
      {6, any_renew()},
      {2, any_write_fence()},
      {3, any_break()},
      {8, operation(gen::build<Subscribe>(
              gen::set(&Subscribe::client, gen::inRange(0, client_count)),
              gen::set(&Subscribe::on, gen::map(once_in(4), [](bool off) { return !off; }))))},
      {5, any_foreign_set()},
      {4, any_drop()},
      {1, operation(gen::build<WrongType>(gen::set(&WrongType::key, any_key())))},
      {1,
       operation(gen::build<MayPublish>(gen::set(&MayPublish::allowed, gen::arbitrary<bool>())))},
      {16, any_advance()},
      {2, operation(gen::build<Crowd>(gen::set(&Crowd::key, any_key()),
                                      gen::set(&Crowd::size, gen::inRange(62, 67))))},
  });
}

struct Printer {
  std::ostream& out;

  void token(Token token) const {
    out << (token.of_holder ? "holder, else " : "") << "token " << token.number;
  }
  void operator()(const Acquire& op) const {
    out << "acquire " << key_name(op.key) << ' ';
    token(op.token);
    out << " ttl " << op.ttl.count() << "ms" << (op.wait ? " wait" : op.keep ? " keep" : " try");
    if (op.recent) out << ", recent counter " << *op.recent;
    if (op.ticket == Ticket::known) out << ", known ticket";
    if (op.ticket == Ticket::shifted) out << ", ticket of now" << op.shift.count() << "us";
    if (op.old) {
      out << ", giving up ";
      token(*op.old);
    }
  }
  void operator()(const AcquireBare& op) const {
    out << "acquire bare " << key_name(op.key) << ' ';
    token(op.token);
    out << " ttl " << op.ttl.count() << "ms";
  }
  void operator()(const ReleaseBare& op) const {
    out << "release bare " << key_name(op.key) << ' ';
    token(op.token);
  }
  void operator()(const AcquireAll& op) const {
    out << "acquire all from " << key_name(op.first) << " on, ttl " << op.ttl.count() << "ms";
    for (const auto& choice : op.tokens) {
      out << ", ";
      token(choice);
    }
  }
  void operator()(const Crowd& op) const {
    out << "crowd of " << op.size << " at " << key_name(op.key);
  }
  void operator()(const Release& op) const {
    out << "release " << key_name(op.key) << ' ';
    token(op.token);
    if (op.keep) out << ", kept for " << op.keep->count() << "ms";
  }
  void operator()(const Renew& op) const {
    out << "renew";
    for (const auto& lease : op.leases) {
      out << " [" << key_name(lease.key) << ' ';
      token(lease.token);
      out << " ttl " << lease.ttl.count() << "ms sequence " << lease.sequence << ']';
    }
  }
  void operator()(const WriteFence& op) const {
    out << "write_fence " << key_name(op.key) << ' ';
    token(op.token);
    out << " ttl " << op.ttl.count() << "ms by " << op.by;
  }
  void operator()(const Break& op) const {
    out << "break " << key_name(op.key) << " counter+" << op.counter_off << " sequence+"
        << op.sequence_off << (op.ask ? " ask" : " force");
  }
  void operator()(const Subscribe& op) const {
    out << (op.on ? "subscribe" : "unsubscribe") << " client " << op.client;
  }
  void operator()(const ForeignSet& op) const {
    out << "foreign set " << key_name(op.key);
    if (op.ttl) out << " ttl " << op.ttl->count() << "ms";
  }
  void operator()(const Drop& op) const {
    static constexpr const char* parts[] = {"lock", "queue", "seen", "fence", "all", "scripts"};
    out << "drop " << parts[static_cast<int>(op.part)] << " of " << key_name(op.key);
  }
  void operator()(const WrongType& op) const { out << key_name(op.key) << " becomes a list"; }
  void operator()(const MayPublish& op) const {
    out << "publishing is " << (op.allowed ? "allowed" : "forbidden");
  }
  void operator()(const Advance& op) const { out << "the clock moves " << op.by.count() << "us"; }
};

}  // namespace

std::string key_name(int key) { return key == 0 ? "a" : "b"; }

std::string pool_token(int number) {
  const int client = number % client_count;
  static constexpr std::string_view claims[] = {"3000", "3000", "50", "0"};
  return make_token(client, number, number == pool_size - 1 ? "" : claims[number / client_count]);
}

std::ostream& operator<<(std::ostream& out, const Operation& operation) {
  std::visit(Printer{out}, operation.kind);
  return out;
}

rc::Gen<std::vector<Operation>> any_history() {
  return gen::scale(1.5, gen::container<std::vector<Operation>>(any_operation()));
}

}  // namespace dlock::test
