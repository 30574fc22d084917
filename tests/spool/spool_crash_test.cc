#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "common/log.h"
#include "tests/spool/spool_model.h"

namespace pannier::spool {
namespace {

using testing::IsEmpty;
using testing::Not;

// How many seeds: PANNIER_SEEDS makes it a long run, PANNIER_SEED replays one.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

class SpoolCrash : public testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([](std::string_view) {});
  }
  void TearDown() override { log::set_sink({}); }
};

TEST_F(SpoolCrash, KeepsItsPromisesWhateverTheStepAtWhichThePowerGoes) {
  const std::uint64_t first = from_environment("PANNIER_SEED", 1);
  const std::uint64_t count =
      std::getenv("PANNIER_SEED") != nullptr ? 1 : from_environment("PANNIER_SEEDS", 150);
  ModelCounts counts;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    ModelRun run;
    run.seed = seed;
    ASSERT_THAT(run_model(run, counts), IsEmpty());
  }
  if (count < 100) return;
  // The runs went through what they are for.
  EXPECT_GT(counts.lives, 300);
  EXPECT_GT(counts.unsynced_kept, 0);
  EXPECT_GT(counts.unsynced_lost, 0);
  EXPECT_GT(counts.segments, 3u);
  EXPECT_GT(counts.compacted_bytes, 0u);
  EXPECT_GT(counts.shared, 0);
}

TEST_F(SpoolCrash, KeepsThemWithCompressedMessagesToo) {
  ModelCounts counts;
  for (std::uint64_t seed = 1000; seed < 1060; ++seed) {
    ModelRun run;
    run.seed = seed;
    run.codecs = {Codec::none, Codec::lz4, Codec::zstd};
    ASSERT_THAT(run_model(run, counts), IsEmpty());
  }
  EXPECT_GT(counts.compacted_bytes, 0u);
}

TEST_F(SpoolCrash, KeepsThemEncryptedToo) {
  ModelCounts counts;
  KeyBytes key;
  key.fill(std::byte{7});
  for (std::uint64_t seed = 2000; seed < 2060; ++seed) {
    ModelRun run;
    run.seed = seed;
    run.codecs = {Codec::none, Codec::zstd};
    run.options.keys = std::make_shared<KeyRing>(std::map<std::uint32_t, KeyBytes>{{5, key}}, 5);
    run.options.requires_encryption = true;
    ASSERT_THAT(run_model(run, counts), IsEmpty());
  }
  EXPECT_GT(counts.compacted_bytes, 0u);
}

// Over whole lives of spools, with recovery, compaction and recycled files in between, and keys
// that go as soon as they are not needed.
TEST_F(SpoolCrash, UsesNoNonceTwiceAndNoKeyThatItSaidWasNotNeeded) {
  ModelCounts counts;
  std::size_t records = 0, retired = 0, reused = 0;
  for (std::uint64_t seed = 3000; seed < 3012; ++seed) {
    NonceLog nonces;
    ModelKeys keys;
    ModelRun run;
    run.seed = seed;
    run.lives = 6;
    run.codecs = {Codec::none, Codec::lz4};
    run.options.requires_encryption = true;
    run.options.files.bytes_max = 16 * run.options.files.segment_bytes;
    run.nonces = &nonces;
    run.keys = &keys;
    ASSERT_THAT(run_model(run, counts), IsEmpty());
    ASSERT_EQ(nonces.repeated, 0u) << seed;
    ASSERT_EQ(nonces.plain, 0u) << seed;
    records += nonces.nonces.size();
    retired += keys.retired;
    reused = std::max(reused, nonces.segments_per_file_max());
  }
  // The runs went through what they are for.
  EXPECT_GT(records, 20'000u);
  EXPECT_GT(retired, 20u);
  EXPECT_GE(reused, 2u) << "no file was used again";
  EXPECT_GT(counts.compacted_bytes, 0u);
}

TEST_F(SpoolCrash, TheModelNoticesASyncThatDoesNothing) {
  int noticed = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    ModelCounts counts;
    ModelRun run;
    run.seed = seed;
    run.sync_is_a_lie = true;
    if (!run_model(run, counts).empty()) ++noticed;
  }
  EXPECT_GE(noticed, 8);
}

}  // namespace
}  // namespace pannier::spool
