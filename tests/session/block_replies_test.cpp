// BlockReplies: what the replies to an acquire without a script mean together.
#include "session/block_replies.hpp"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

namespace dlock::detail {
namespace {

using redis::ReplyView;
using Kind = ReplyView::Kind;

ReplyView text(std::string_view words) { return {Kind::text, words}; }
ReplyView error(std::string_view words) { return {Kind::error, words}; }

class BlockRepliesTest : public testing::Test {
 protected:
  /// Of MULTI, of the four commands, and of EXEC.
  void read(const std::vector<ReplyView>& replies) {
    ASSERT_EQ(replies.size(), 6U);
    block = {};
    for (std::size_t i = 0; i < 5; ++i) ASSERT_FALSE(block.add(replies[i]));
    ASSERT_TRUE(block.add(replies[5]));
    words.clear();
    reply = block.result(replies[5], words);
  }
  /// The same, with all but the last taken together.
  void read_together(const ReplyView& exec) {
    block = {};
    ASSERT_TRUE(block.is_empty());
    block.add_usual();
    ASSERT_FALSE(block.is_empty());
    ASSERT_TRUE(block.add(exec));
    words.clear();
    reply = block.result(exec, words);
  }
  void run(const std::array<ReplyView, 4>& results) {
    ReplyView exec{Kind::other};
    exec.elements = results;
    read_together(exec);
    ASSERT_TRUE(reply.block);
    EXPECT_FALSE(reply.is_error);
    const auto together = *reply.block;
    read({text("OK"), queued, queued, queued, queued, exec});
    ASSERT_TRUE(reply.block);
    EXPECT_EQ(reply.block->counter, together.counter);
    EXPECT_EQ(reply.block->value, together.value);
    EXPECT_EQ(reply.block->has_queue, together.has_queue);
    EXPECT_FALSE(reply.is_error);
    EXPECT_FALSE(reply.refuses_blocks);
  }

  const ReplyView nil{Kind::nil};
  const ReplyView queued = text("QUEUED");
  BlockReplies block;
  core::Reply reply;
  std::string words;
};

TEST_F(BlockRepliesTest, AFreeLock) {
  run({text("OK"), text("T"), text("7"), text("0")});
  EXPECT_TRUE(reply.block->was_free);
  EXPECT_EQ(reply.block->value, "T");
  EXPECT_EQ(reply.block->counter, 7);
  EXPECT_FALSE(reply.block->has_queue);
  EXPECT_FALSE(reply.block->is_other_type);
}

TEST_F(BlockRepliesTest, ATakenLockWithAQueue) {
  run({nil, text("other"), text("8"), text("1")});
  EXPECT_FALSE(reply.block->was_free);
  EXPECT_TRUE(reply.block->has_queue);
}

TEST_F(BlockRepliesTest, AKeyOfAnotherType) {
  run({nil, error("WRONGTYPE Operation against a key"), text("8"), text("0")});
  EXPECT_TRUE(reply.block->is_other_type);
}

TEST_F(BlockRepliesTest, ACounterThatIsNoNumberOrTooGreat) {
  for (const auto& counter : {error("ERR value is not an integer"), text("9007199254740992")}) {
    run({text("OK"), text("T"), counter, text("0")});
    EXPECT_EQ(reply.block->counter, 0);
  }
}

TEST_F(BlockRepliesTest, AnErrorBeforeTheEndIsTheCauseAndNothingHasHappened) {
  read({text("OK"), error("OOM command not allowed"), queued, queued, queued,
        error("EXECABORT Transaction discarded because of previous errors.")});
  EXPECT_TRUE(reply.is_error);
  EXPECT_EQ(words, "OOM command not allowed");
  EXPECT_FALSE(reply.refuses_blocks);
  read({text("OK"), queued, queued, queued, queued,
        error("EXECABORT Transaction discarded because of: READONLY You can't write")});
  EXPECT_TRUE(reply.is_error);
  EXPECT_EQ(words, "READONLY You can't write");
}

// As Redis 7.0 answers while a slot moves: before the block is complete, or in the place of EXEC.
TEST_F(BlockRepliesTest, ASlotThatMovesIsTheCauseAndNothingHasHappened) {
  for (const auto* cause : {"MOVED 2906 127.0.0.1:7001", "ASK 2906 127.0.0.1:7001"}) {
    const auto moves = error(cause);
    read({text("OK"), moves, moves, moves, moves,
          error("EXECABORT Transaction discarded because of previous errors.")});
    EXPECT_TRUE(reply.is_error);
    EXPECT_EQ(words, cause);
    read({text("OK"), queued, queued, moves, moves,  // the lock is there still, the queue is not
          error("EXECABORT Transaction discarded because of previous errors.")});
    EXPECT_TRUE(reply.is_error);
    EXPECT_EQ(words, cause);
  }
  for (const auto* cause : {"MOVED 2906 127.0.0.1:7001", "ASK 2906 127.0.0.1:7001",
                            "TRYAGAIN Multiple keys request during rehashing of slot"}) {
    read_together(error(cause));
    EXPECT_TRUE(reply.is_error);
    EXPECT_EQ(words, cause);
    EXPECT_FALSE(reply.refuses_blocks || block.is_stuck());
  }
}

TEST_F(BlockRepliesTest, AKeyThatTheUserMayNotAccessConcernsThatLockAlone) {
  read({text("OK"), error("NOPERM this user has no permissions to access one of the keys"), queued,
        queued, queued, error("EXECABORT Transaction discarded")});
  EXPECT_TRUE(reply.is_error);
  EXPECT_FALSE(reply.refuses_blocks);
}

TEST_F(BlockRepliesTest, ACommandThatTheUserMayNotRunRefusesAllBlocks) {
  for (const auto* refusal : {"NOPERM User app has no permissions to run the 'getrange' command",
                              "NOPERM this user has no permissions to run the 'getrange' command",
                              "ERR unknown command 'GETRANGE', with args beginning with: 'x'"}) {
    read({text("OK"), queued, error(refusal), queued, queued, error("EXECABORT discarded")});
    EXPECT_TRUE(reply.is_error);
    EXPECT_TRUE(reply.refuses_blocks) << refusal;
    EXPECT_FALSE(block.is_stuck());
  }
}

// The other commands have run one by one.
TEST_F(BlockRepliesTest, WithoutMultiTheOutcomeIsUnknown) {
  read({error("NOPERM this user has no permissions to run the 'multi' command"), text("OK"),
        text("T"), text("7"), text("0"), error("ERR EXEC without MULTI")});
  EXPECT_FALSE(reply.block || reply.is_error);
  EXPECT_TRUE(reply.refuses_blocks);
  EXPECT_FALSE(block.is_stuck());
}

TEST_F(BlockRepliesTest, ExecThatIsRefusedEndsTheBlock) {
  read({text("OK"), queued, queued, queued, queued,
        error("EXECABORT Transaction discarded because of: NOPERM User app has no permissions to "
              "run the 'exec' command")});
  EXPECT_TRUE(reply.is_error);
  EXPECT_TRUE(reply.refuses_blocks);
  EXPECT_FALSE(block.is_stuck());
}

TEST_F(BlockRepliesTest, ExecThatHasAnotherNameLeavesTheConnectionInTheBlock) {
  read({text("OK"), queued, queued, queued, queued, error("ERR unknown command 'EXEC'")});
  EXPECT_FALSE(reply.block || reply.is_error);
  EXPECT_TRUE(reply.refuses_blocks);
  EXPECT_TRUE(block.is_stuck());
}

TEST_F(BlockRepliesTest, ABlockWithOtherRepliesIsUnknown) {
  read({text("OK"), queued, queued, queued, queued, text("OK")});
  EXPECT_FALSE(reply.block || reply.is_error);
}

}  // namespace
}  // namespace dlock::detail
