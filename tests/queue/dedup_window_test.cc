#include "sidecar/queue/dedup_window.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>

#include "common/random.h"

namespace pannier::queue {
namespace {

DedupId id(std::uint64_t number) { return dedup_id_of(std::to_string(number)); }

class Model {
 public:
  void push(std::uint64_t number) { numbers_.push_back(number); }
  void pop() { numbers_.pop_front(); }
  // As the window sees it: of two of one id the older one counts no more.
  bool contains(std::uint64_t number) const {
    return std::find(numbers_.begin(), numbers_.end(), number) != numbers_.end();
  }
  std::size_t size() const { return numbers_.size(); }

 private:
  std::deque<std::uint64_t> numbers_;
};

void lives(DedupWindow& window, std::uint64_t seed, std::uint64_t most) {
  Random random(seed);
  Model model;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t number = random.below(most);
    const bool grows = (i / 2'000) % 2 == 0;
    if (random.below(10) < (grows ? 7u : 3u)) {
      window.push({id(number), 1});
      model.push(number);
    } else if (model.size() > 0) {
      window.pop();
      model.pop();
    }
    ASSERT_EQ(window.size(), model.size());
    const std::uint64_t asked = random.below(most);
    ASSERT_EQ(window.contains(id(asked)), model.contains(asked)) << "step " << i;
  }
}

TEST(DedupWindow, HoldsWhatAListHolds) {
  DedupWindow few;
  lives(few, 1, 60);
  DedupWindow many;
  lives(many, 2, 4'000);
}

// The table names numbers by 32 bits.
TEST(DedupWindow, NumbersMayPassThirtyTwoBits) {
  DedupWindow window;
  window.start_at(0xFFFFFFFFull - 1'000);
  lives(window, 3, 500);
  EXPECT_GT(window.next(), 0xFFFFFFFFull);
}

TEST(DedupWindow, GivesItsMemoryBackAndIsUsedAgain) {
  DedupWindow window;
  for (std::uint64_t i = 0; i < 10'000; ++i) window.push({id(i), 0});
  while (!window.empty()) window.pop();
  EXPECT_FALSE(window.contains(id(9'999)));
  EXPECT_EQ(window.first(), 10'000u);
  window.push({id(1), 0});
  EXPECT_TRUE(window.contains(id(1)));
}

}  // namespace
}  // namespace pannier::queue
