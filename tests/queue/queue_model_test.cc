#include "tests/queue/queue_model.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "common/log.h"

namespace pannier::queue {
namespace {

// How many seeds: PANNIER_SEEDS makes it a long run, PANNIER_SEED replays one.
std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

TEST(QueueModel, DoesWhatAListOfMessagesDoesThroughPowerCuts) {
  log::set_sink([](std::string_view) {});
  const std::uint64_t first = from_environment("PANNIER_SEED", 1);
  const std::uint64_t count =
      std::getenv("PANNIER_SEED") != nullptr ? 1 : from_environment("PANNIER_SEEDS", 60);
  ModelCounts counts;
  for (std::uint64_t seed = first; seed < first + count; ++seed) {
    SCOPED_TRACE("PANNIER_SEED=" + std::to_string(seed));
    QueueModel model(seed, counts);
    for (int life = 0; life < 3 && !model.failed(); ++life) {
      model.live(250);
      if (!model.failed()) model.cut_power();
    }
    if (!model.failed()) model.live(100);
    if (!model.failed()) model.finish();
    if (model.failed()) break;
  }
  log::set_sink({});
  if (count < 60) return;
  // The runs went through what they are for.
  EXPECT_GT(counts.delivered, 5'000);
  EXPECT_GT(counts.returned, 500);
  EXPECT_GT(counts.timed_out, 100);
  EXPECT_GT(counts.dropped, 100);
  EXPECT_GT(counts.refused, 100);
  EXPECT_GT(counts.purged, 20);
  EXPECT_GT(counts.deleted, 10);
  EXPECT_GT(counts.late_acks, 100);
  EXPECT_GT(counts.kept, 500);
  EXPECT_GT(counts.lost_unconfirmed, 50);
}

}  // namespace
}  // namespace pannier::queue
