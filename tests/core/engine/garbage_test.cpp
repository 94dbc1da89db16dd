// Texts from the server that make no sense: nothing may overflow, and nobody may be left behind.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "core/engine/engine_script.hpp"
#include "core/wire/keys.hpp"

namespace dlock::core {
namespace {

using namespace std::chrono_literals;

// Words of our protocol, numbers at the edges, and noise, in any order.
rc::Gen<std::string> text_of(std::vector<std::string> words) {
  for (const auto* word : {"", "0", "-1", "5", "77", "1000000", "9007199254740991",
                           "9007199254740992", "9223372036854775807", "-9223372036854775808",
                           "99999999999999999999", "ours", "foreign", "x"}) {
    words.emplace_back(word);
  }
  return rc::gen::map(
      rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(std::move(words))),
      [](const std::vector<std::string>& chosen) {
        std::string text;
        for (const auto& word : chosen) text += (text.empty() ? "" : " ") + word;
        return text;
      });
}

// Makes the connection that is asked for. Whoever waits has then a time at which something is done.
void check_nobody_is_stuck(EngineScript& script) {
  for (const auto& action : script.take()) {
    if (std::holds_alternative<Connect>(action)) script.open();
  }
  RC_ASSERT(script.engine.idle() || script.engine.next_timer().has_value());
}

TEST(Garbage, AnyReplyToAnAcquireIsSurvived) {
  const bool held = rc::check([] {
    EngineScript script;
    script.at(0ms).acquire(1);
    script.expect({"acquire job T1 30000"});
    script.at(1ms).reply("T1 " + *text_of({"acquired", "queued", "busy", "released"}));
    check_nobody_is_stuck(script);
    script.at(6s).timer();
    check_nobody_is_stuck(script);
  });
  EXPECT_TRUE(held);
}

TEST(Garbage, AnyMessageIsSurvived) {
  const bool held = rc::check([] {
    EngineScript script;
    script.at(0ms).queue(1);
    script.at(1s).message(*text_of({"grant", "next", "break", "T1"}));
    script.at(1s).message("grant T1 " + *text_of({}));
    script.at(1s).message("next T1 " + *text_of({}));
    check_nobody_is_stuck(script);
    script.at(6s).timer();
    check_nobody_is_stuck(script);
  });
  EXPECT_TRUE(held);
}

TEST(Garbage, AnyReplyToARenewalIsSurvived) {
  const bool held = rc::check([] {
    EngineScript script;
    script.at(0ms).obtain(1);
    script.at(10s).timer();
    script.reply("T1 " + *text_of({"k", "l", "kk", "lk"}));
    script.message("break T1 " + *text_of({}));
    check_nobody_is_stuck(script);
  });
  EXPECT_TRUE(held);
}

TEST(Garbage, AnyReplyToAReleaseIsSurvived) {
  const bool held = rc::check([] {
    EngineScript script;
    script.at(0ms).obtain(1);
    script.at(1s).release(1);
    script.reply("T1 " + *text_of({"released", "not_held", "mute"}));
    check_nobody_is_stuck(script);
  });
  EXPECT_TRUE(held);
}

TEST(Garbage, AnyValueIsRefusedOrHasAFenceThatCanBeCounted) {
  const bool held = rc::check([](const std::string& noise) {
    const auto token = make_token("c11e47c11e47c11e", {1, 2}, 3s).text();
    const auto counter = *text_of({});
    for (const auto& value : {noise, "dlock1:" + noise, token + ":" + noise,
                              token + ":" + counter + ":0", token + ":5:" + counter}) {
      if (const auto parsed = parse_value(value); parsed && parsed->fence) {
        const auto number = parsed->fence->number();
        RC_ASSERT(Fence::of(number).counter == parsed->fence->counter);
        RC_ASSERT(Fence::of(number).sequence == parsed->fence->sequence);
      }
      static_cast<void>(key_of_queue(value));
    }
  });
  EXPECT_TRUE(held);
}

}  // namespace
}  // namespace dlock::core
