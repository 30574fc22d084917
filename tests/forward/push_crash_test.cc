#include <map>
#include <set>

#include "tests/forward/push_fixture.h"

namespace pannier::forward {
namespace {

// What the agent was told, and what it answered until the power went.
struct Told {
  std::set<Sequence> pushed;
  std::set<Sequence> taken;
  std::set<Sequence> forgotten;
};

// Of a size with which the mark of a message alone lies across a sector's end.
std::string body_of(Sequence sequence) {
  return std::to_string(sequence) + ":" + letters(sequence % 7 == 0 ? 150'000 : 820);
}

void hear(Script& link, Told& told) {
  while (link.has_more()) {
    const auto taken = link.gets<LinkTaken>(kPushChannel);
    EXPECT_EQ(taken.how, 0) << taken.why;
    for (const Sequence sequence : sequences_in(taken.sequences)) told.taken.insert(sequence);
  }
}

// Batches with holes, sent out of order, and single messages, whose sectors a cut tears apart from
// their mark's; some of it forgotten. Ends early without power.
void push_some(PushWorld& world, const MemoryDisk& disk, Told& told) {
  Script link = world.open_link();
  world.pushes(link, "orders");
  for (const Sequence first : {1, 21, 11, 31, 61, 41, 71, 51}) {
    net::Output out;
    const Sequence end = first + (first % 20 == 1 ? 1 : 10);
    for (Sequence sequence = first; sequence < end; sequence += 1 + sequence % 3) {
      world.add_put(out, PushWorld::put_of("orders", sequence), body_of(sequence));
      told.pushed.insert(sequence);
    }
    link.feeds(out);
    world.agent.turn();
    hear(link, told);
    if (disk.power_is_off()) return;
    const Sequence gone = *told.taken.begin();
    if (!told.forgotten.contains(gone)) {
      PushWorld::forgets(link, "orders", {gone});
      told.forgotten.insert(gone);
    }
    world.passes(queue::kMarkDelay);
    if (disk.power_is_off()) return;
  }
}

// By sequence, how often it is in the queue.
std::map<Sequence, int> found_in(PushWorld& world) {
  std::map<Sequence, int> found;
  while (const auto delivery = world.agent.get(*world.agent.find("orders"), true)) {
    const queue::Message& message = *delivery->message;
    Sequence sequence = 0;
    if (message.parts == 0) {
      sequence = std::stoull(std::string(message.body.text()));
      EXPECT_EQ(message.body.text(), body_of(sequence));
    } else {
      world.agent.spool->read_part(message.body_id, 0, [&sequence](Result<Slice> part) {
        ASSERT_TRUE(part) << part.error().detail;
        sequence = std::stoull(std::string(part->text().substr(0, 8)));
      });
      world.agent.turn();
      EXPECT_EQ(message.body_size, body_of(sequence).size());
      EXPECT_TRUE(world.agent.find("orders")->ack(delivery->receipt));
    }
    ++found[sequence];
  }
  return found;
}

void check_after_the_cut(const MemoryDisk& disk, const Told& told, std::uint64_t seed) {
  const auto after = disk.restart(seed);
  {
    PushWorld world(*after);
    for (const Sequence sequence : told.taken)
      EXPECT_TRUE(told.forgotten.contains(sequence) || world.remembers("orders", sequence));
    Script link = world.open_link();
    world.pushes(link, "orders");
    Told again;
    for (const Sequence sequence : told.pushed) {
      if (told.forgotten.contains(sequence)) continue;  // it has promised never to send it again
      world.puts(link, "orders", sequence, body_of(sequence));
      world.agent.turn();
      hear(link, again);
      EXPECT_TRUE(again.taken.contains(sequence));
    }
    const auto found = found_in(world);
    for (const Sequence sequence : told.pushed)
      EXPECT_EQ(found.contains(sequence) ? found.at(sequence) : 0, 1) << "message " << sequence;
    EXPECT_EQ(found.size(), told.pushed.size());
  }
}

TEST(PushCrash, MessageAndMarkAreBothThereOrBothNotAtEveryStep) {
  std::size_t first = 0;
  std::size_t last = 0;
  {
    MemoryDisk disk;
    PushWorld world(disk);
    first = disk.steps();
    Told told;
    push_some(world, disk, told);
    EXPECT_EQ(told.taken, told.pushed);
    last = disk.steps();
  }
  ASSERT_GE(last, first + 20);
  for (std::size_t step = first; step < last; ++step) {
    SCOPED_TRACE("power cut at step " + std::to_string(step));
    MemoryDisk disk;
    Told told;
    {
      PushWorld world(disk);
      disk.crash_at(step);
      push_some(world, disk, told);
    }
    EXPECT_TRUE(disk.power_is_off());
    for (std::uint64_t seed = 1; seed <= 12; ++seed) check_after_the_cut(disk, told, seed);
    if (testing::Test::HasFailure()) return;
  }
}

// What was told and is not synced may be lost, whole; what a restart finds is no double.
TEST(PushCrash, AKilledReceiverAnswersAgainWhatItHadTaken) {
  MemoryDisk disk;
  Told told;
  {
    PushWorld world(disk);
    push_some(world, disk, told);
  }
  check_after_the_cut(disk, told, 1);
}

}  // namespace
}  // namespace pannier::forward
