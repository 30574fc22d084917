// Defects of the spool, each shown by a test that fails.  until mended: take the prefix off
// with the fix.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/spool/spool_harness.h"

namespace pannier::spool {
namespace {

using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr std::uint32_t kSegment = 128u << 10;

// The file that holds a segment.
std::string file_of(const MemoryDisk& disk, SegmentNumber number) {
  auto files = disk.list();
  for (const FileInfo& info : *files) {
    if (!info.name.ends_with(".seg")) continue;
    const Bytes bytes = disk.content(info.name);
    const auto header = SegmentHeader::decode(bytes);
    if (header && header->number == number) return info.name;
  }
  return {};
}

Result<Commit> publish_and_settle(SpoolHarness& spool, QueueId queue, std::string_view body,
                                  const Entry& settled, std::vector<Entry>& held) {
  Target target;
  target.queue = queue;
  Content content;
  content.body = Slice::copy_of(body);
  Group group;
  group.publish(std::move(content), {&target, 1});
  group.settle(settled);
  auto commit = spool->append(group);
  if (commit) held.push_back(group.entries().front());
  return commit;
}

void put(SpoolHarness& spool, std::size_t size, bool& taken) {
  Group group;
  group.put(StateKind::first_above, {}, Bytes(size));
  taken = spool->append(group).has_value();
}

// Segment::footer_bytes counts 8 bytes for each entry that has a due, expiry or group; encode_run
// writes the column for every entry of the run as soon as one has it. Dies in write_footer's
// assert.
TEST(Attack, FooterFitsWhenOneEntryOfManyHasColumns) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  for (int i = 0; i < 2000; ++i) {
    Target target;
    target.queue = queue;
    if (i % 400 == 0) target.due = target.expiry = 1, target.group = 1;
    if (i % 100 == 0) spool.settle_down();
    Content content;
    content.body = Slice::copy_of("x");
    Group group;
    group.publish(std::move(content), {&target, 1});
    ASSERT_TRUE(spool->append(group));
  }
  spool.settle_down();
  EXPECT_THAT(spool.fetch_all(queue), SizeIs(2000));
}

// The mark of a running spool is not synced when the horizon of the last life already lets deliver.
TEST(Attack, KnowsWhatWasDeliveredBeforeTheMarkOfThisRunWasSynced) {
  MemoryDisk disk;
  QueueId queue = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(spool.publish(queue, "a"));
    spool->may_deliver({queue, 0}, 1);
    spool.settle_down();
    ASSERT_TRUE(spool->may_deliver({queue, 0}, 1));
    ASSERT_TRUE(spool->close());
    spool.run();
  }
  bool delivered = false;
  std::unique_ptr<MemoryDisk> after;
  {
    SpoolHarness spool(disk);
    ASSERT_TRUE(spool.is_open());
    delivered = spool->may_deliver({queue, 0}, 1);
    after = disk.restart(1, Keep::nothing);
  }
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  if (delivered) {
    EXPECT_FALSE(again->recovery().was_clean);
    EXPECT_GE(again->suspect_up_to({queue, 0}), 1u);
  }
}

// flush_settles names a commit that does not hold the settles when there was no room for them.
TEST(Attack, FlushSettlesNamesACommitThatHoldsTheSettles) {
  MemoryDisk disk;
  QueueId queue = 0;
  std::unique_ptr<MemoryDisk> after;
  bool promised = false;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    const Entry entry = *spool.publish(queue, "a");
    spool.settle_down();
    for (const std::size_t size : {20'000u, 1'000u, 0u})  // the pool makes no file meanwhile
      for (bool taken = true; taken;) put(spool, size, taken);
    spool->settle(entry);
    const auto commit = spool->flush_settles();
    while (spool.committer.run_one() || spool.loop.run_one()) {}
    promised = commit && spool->synced_commit() >= *commit;
    after = disk.restart(1, Keep::nothing);
  }
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  if (promised) {
    EXPECT_THAT(again.fetch_all(queue), IsEmpty());
  }
}

// A group that settles anything may use the reserve for its publishes; with the reserve gone no
// segment can be given up, since leave() must append first: full for ever, and it does not open
// again.
TEST(Attack, RecoversFromAFullSpoolAfterTransactionsThatSettleAndPublish) {
  MemoryDisk disk;
  SpoolOptions options = small_options();
  options.files.bytes_max = 10 * kSegment;
  QueueId queue = 0;
  bool opens = true, publishes = false;
  {
    SpoolHarness spool(disk, options);
    queue = spool.make_queue();
    std::vector<Entry> small, held;
    for (int i = 0; i < 300; ++i) small.push_back(*spool.publish(queue, "small"));
    spool.settle_down();
    std::size_t next = 0;
    for (int refused = 0; refused < 20 && next < small.size();) {
      if (publish_and_settle(spool, queue, std::string(20'000, 'x'), small[next], held))
        ++next, refused = 0;
      else
        ++refused;
      spool.settle_down();
    }
    for (const std::size_t size : {20'000u, 1'000u, 0u})  // what is left of the open segment
      for (bool taken = true; taken;) put(spool, size, taken), spool.settle_down();
    RecordProperty("segments", static_cast<int>(spool->status().segments));
    EXPECT_GE(spool->status().spare_segments, 1u) << "publishing has used up the reserve";
    for (; next < small.size(); ++next) spool->settle(small[next]);
    for (const Entry& entry : held) spool->settle(entry);
    for (int i = 0; i < 20; ++i) {
      spool.clock.advance(std::chrono::seconds(2));
      spool->on_time(spool.clock.now());
      spool.settle_down();
    }
    publishes = spool.publish(queue, "at last").has_value();
  }
  EXPECT_TRUE(publishes) << "everything is settled and still nothing can be published";
  SpoolHarness again(disk, options);
  opens = again.is_open();
  EXPECT_TRUE(opens) << again.opened().error().detail;
}

// A chunk is up to 512 KiB whatever a segment holds, and counts 256 bytes of footer an entry: more
// than half a segment is too_large, and the same victim is read again at every flush.
TEST(Attack, CompactsSmallSegmentsWithManyLiveEntries) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  std::vector<Entry> entries;
  for (int i = 0; i < 8000; ++i) {
    auto entry = spool.publish(queue, std::string(300, 'x'));
    ASSERT_TRUE(entry) << spool.refused->detail;
    entries.push_back(*entry);
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (i % 20 >= 9) spool->settle(entries[i]);
  spool.settle_down();
  const auto reads = disk.counts().reads;
  for (int i = 0; i < 100; ++i) spool->flush(), spool.run();
  EXPECT_GT(spool->status().compacted_bytes, 0u);
  EXPECT_LE(spool->status().segments * kSegment, 2 * spool->status().live_bytes + 4 * kSegment);
  EXPECT_LT(disk.counts().reads - reads, 50u) << "reads although nothing happens";
}

// More settles at once than half a segment holds (16,384 ordinals a record): never journaled.
TEST(Attack, JournalsManyScatteredSettlesInSmallSegments) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  std::vector<Entry> entries;
  for (int i = 0; i < 20'000; ++i) {
    auto entry = spool.publish(queue, "x");
    ASSERT_TRUE(entry) << spool.refused->detail;
    entries.push_back(*entry);
    if (i % 100 == 0) spool.settle_down();
  }
  spool.settle_down();
  for (std::size_t i = 0; i < entries.size(); i += 2) spool->settle(entries[i]);
  spool.settle_down();
  spool.settle_down();
  const auto after = disk.restart(1, Keep::nothing);
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  EXPECT_THAT(again.fetch_all(queue), SizeIs(10'000));
}

// Where the limit on entries (as here, with the default size) or the footer (many queues) makes
// segments whose every entry is alive less than half full of records, 2 x live is never reached,
// and compaction copies the whole backlog round and round for ever. Here: messages of 96 bytes on
// disk.
TEST(Attack, DoesNotCompactForEverWhatIsAllAlive) {
  MemoryDisk disk;
  SpoolOptions options;
  options.files.free_space_reserve = 0;
  SpoolHarness spool(disk, options);
  Target target;
  target.queue = spool.make_queue();
  Content content;
  content.body = Slice::copy_of("x");
  const auto turn = [&](int turns) {
    for (int i = 0; i < turns; ++i) {
      spool->flush();
      bool ran = spool.loop.run_one();
      ran = spool.committer.run_one() || ran;
      if (!(spool.pool.run_one() || ran)) break;
    }
  };
  for (int i = 0; i < 1050; ++i) {
    Group group;
    for (int j = 0; j < 1000; ++j) group.publish(content, {&target, 1});
    ASSERT_TRUE(spool->append(group));
    turn(4);
  }
  for (int i = 0; i < 2000 && spool->status().compacted_bytes < spool->status().live_bytes; ++i)
    turn(10);
  EXPECT_LT(spool->status().compacted_bytes, spool->status().live_bytes / 2)
      << "live: " << spool->status().live_bytes << ", segments: " << spool->status().segments;
}

// A chunk of fan-outs (512 KiB hold 30,000 entries, at 256 bytes of footer each) is too_large for
// half a segment of the default size: the victim's runs are read one by one, in vain, again and
// again. Where a chunk does fit, moving it holds up the loop for 50 ms.
TEST(Attack, CompactsFanOutsWithoutReadingForEver) {
  MemoryDisk disk;
  SpoolOptions options;
  options.files.free_space_reserve = 0;
  SpoolHarness spool(disk, options);
  std::vector<Target> targets(1000);
  for (Target& target : targets) target.queue = spool.make_queue("q");
  const auto turn = [&](int turns) {
    for (int i = 0; i < turns; ++i) {
      spool->flush();
      bool ran = spool.loop.run_one();
      ran = spool.committer.run_one() || ran;
      if (!(spool.pool.run_one() || ran)) break;
    }
  };
  for (int i = 0; i < 400; ++i) {
    Content content;
    content.body = Slice::copy_of("x");
    Group group;
    group.publish(std::move(content), targets);
    ASSERT_TRUE(spool->append(group));
    if (i % 40 == 0) turn(40);
  }
  for (int i = 0; i < 300; ++i) turn(100);
  EXPECT_LT(disk.counts().reads, 10'000u) << "moved: " << spool->status().compacted_bytes;
}

// The victim whose run (or part) is damaged is picked again and again, and no other segment ever
// is.
TEST(Attack, CompactsOtherSegmentsWhenTheIndexOfOneIsDamaged) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  std::vector<Entry> entries;
  for (int i = 0; i < 3000; ++i) {
    entries.push_back(*spool.publish(queue, std::string(1000, 'x')));
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  const std::string file = file_of(disk, 1);
  const Bytes bytes = disk.content(file);
  const auto trailer = SegmentTrailer::decode(ByteView(bytes).subspan(kSegment - kPageSize));
  ASSERT_TRUE(trailer);
  disk.flip(file, trailer->data_end + 60, std::byte{1});
  for (std::size_t i = 0; i < entries.size(); ++i)
    if (i % 20 != 0) spool->settle(entries[i]);
  for (int i = 0; i < 100; ++i) spool.settle_down();
  EXPECT_GT(spool->status().compacted_bytes, 0u);
  EXPECT_LE(spool->status().segments * kSegment, 2 * spool->status().live_bytes + 5 * kSegment);
}

// One damaged run: fetch answers corrupt for the whole lane, for ever, although every record is
// whole.
TEST(Attack, FetchesWhatLiesBehindADamagedRun) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  for (int i = 0; i < 500; ++i) {
    ASSERT_TRUE(spool.publish(queue, std::string(1000, 'x')));
    if (i % 50 == 0) spool.settle_down();
  }
  spool.settle_down();
  const std::string file = file_of(disk, 1);
  const Bytes bytes = disk.content(file);
  const auto trailer = SegmentTrailer::decode(ByteView(bytes).subspan(kSegment - kPageSize));
  ASSERT_TRUE(trailer);
  disk.flip(file, trailer->data_end + 60, std::byte{1});
  std::size_t got = 0;
  spool->fetch({queue, 0}, 0, 1000, [&](auto entries) { got = entries ? entries->size() : 0; });
  spool.run();
  EXPECT_GT(got, 300u);
}

// The last batch of a closed, unsealed segment is damaged; batches of the next one say it was
// synced.
TEST(Attack, ReportsTheLossOfTheLastBatchOfASegment) {
  MemoryDisk disk;
  std::unique_ptr<MemoryDisk> after;
  QueueId queue = 0;
  int published = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    for (; published < 40; ++published) {
      ASSERT_TRUE(spool.publish(queue, std::string(1000, 'x')));
      spool->flush();
      while (spool.committer.run_one() || spool.loop.run_one()) {  // the pool does not get to seal
      }
    }
    ASSERT_GE(spool->synced_commit(), spool.last_commit);
    after = disk.restart(1, Keep::nothing);
  }
  const std::string file = file_of(*after, 1);
  const Bytes bytes = after->content(file);
  Offset last = 0;
  for (Offset at = kPageSize; at + kPageSize < bytes.size(); at += kPageSize)
    if (BatchHeader::decode(ByteView(bytes).subspan(at), at)) last = at;
  after->flip(file, last + 20, std::byte{1});
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  const auto there = again.fetch_all(queue).size();
  if (there < static_cast<std::size_t>(published)) {
    EXPECT_THAT(again->recovery().losses, Not(IsEmpty()));
  }
}

// Sequences of messages that were settled without may_deliver are given again after a restart.
TEST(Attack, NeverGivesASequenceTwice) {
  MemoryDisk disk;
  QueueId queue = 0;
  Sequence last = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue();
    const QueueId other = spool.make_queue();
    for (int i = 0; i < 20; ++i) {
      const Entry entry = *spool.publish(queue, "expires");
      last = entry.sequence;
      spool->settle(entry);
    }
    for (int i = 0; i < 1000; ++i) {
      spool->settle(*spool.publish(other, std::string(1000, 'x')));
      if (i % 50 == 0) spool.settle_down();
    }
    spool.settle_down();
    ASSERT_TRUE(spool->close());
    spool.run();
  }
  SpoolHarness again(disk);
  ASSERT_TRUE(again.is_open());
  EXPECT_GE(again->last_sequence(queue), last);
}

// Publishing takes spares down to one while the files are being made; the volume may be full by
// then.
TEST(Attack, PublishingLeavesTheReserveAlone) {
  MemoryDisk disk;
  SpoolHarness spool(disk);
  const QueueId queue = spool.make_queue();
  for (int i = 0; i < 5000 && spool.publish(queue, std::string(1000, 'x')); ++i) {}
  EXPECT_GE(spool->status().spare_segments, small_options().files.reserve);
}

// The record that made a queue is damaged: all its messages go without a word, and its number is
// used again.
TEST(Attack, SaysSoWhenTheRecordOfAQueueIsDamaged) {
  MemoryDisk disk;
  std::unique_ptr<MemoryDisk> after;
  QueueId queue = 0;
  {
    SpoolHarness spool(disk);
    queue = spool.make_queue("a-queue-of-name");
    spool.settle_down();
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(spool.publish(queue, "a"));
    spool.settle_down();
    after = disk.restart(1, Keep::nothing);
  }
  const std::string file = file_of(*after, 1);
  const Bytes bytes = after->content(file);
  const ByteView name = as_bytes("a-queue-of-name");
  const auto at = std::search(bytes.begin(), bytes.end(), name.begin(), name.end());
  ASSERT_NE(at, bytes.end());
  after->flip(file, static_cast<std::uint64_t>(at - bytes.begin()), std::byte{1});
  SpoolHarness again(*after);
  ASSERT_TRUE(again.is_open());
  EXPECT_GE(again->recovery().lost_entries, 10u);
  EXPECT_NE(again.make_queue("new"), queue);
}

}  // namespace
}  // namespace pannier::spool
