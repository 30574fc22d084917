// A spool whose segments are encrypted, and what is found in its files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "common/crc32c.h"
#include "common/log.h"
#include "tests/spool/recovery_harness.h"
#include "tests/spool/watching_disk.h"

namespace pannier::spool {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Ring = std::shared_ptr<const KeyRing>;

KeyBytes key_of(std::uint32_t id) {
  KeyBytes key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(id * 37 + i);
  return key;
}

// The ids' keys; the first is current.
Ring ring_of(std::initializer_list<std::uint32_t> ids) {
  std::map<std::uint32_t, KeyBytes> keys;
  for (const std::uint32_t id : ids) keys[id] = key_of(id);
  return std::make_shared<KeyRing>(keys, *ids.begin());
}

SpoolOptions with(Ring ring, bool requires_it = false) {
  SpoolOptions options = tiny_options();
  options.keys = std::move(ring);
  options.requires_encryption = requires_it;
  return options;
}

std::string body_of(int id) {
  return "body-in-clear " + std::to_string(id) + std::string(700, static_cast<char>('a' + id % 26));
}

std::optional<Entry> publish(SpoolHarness& spool, QueueId queue, int id,
                             Codec codec = Codec::none) {
  Target target;
  target.queue = queue;
  target.group = 77;
  Content content;
  content.head = Slice::copy_of("routing-key-in-clear");
  content.body = Slice::copy_of(body_of(id));
  content.codec = codec;
  const ByteView attribute = as_bytes("attribute-in-clear");
  ByteWriter writer(content.attributes);
  writer.u8(1);
  writer.le(static_cast<std::uint16_t>(attribute.size()));
  writer.bytes(attribute);
  Group group;
  group.publish(std::move(content), {&target, 1});
  if (!spool->append(group)) return {};
  return group.entries().front();
}

std::vector<std::string> bodies_up_to(int end, int step = 1) {
  std::vector<std::string> bodies;
  for (int id = 0; id < end; id += step) bodies.push_back(body_of(id));
  return bodies;
}

// Everything that a spool writes, over sealed and recycled segments, compaction and restarts.
QueueId fill(SpoolHarness& spool, int messages = 400) {
  const QueueId queue = spool.make_queue("queue-name-in-clear");
  for (int id = 0; id < messages; ++id) {
    const auto entry = publish(spool, queue, id, id % 2 == 0 ? Codec::none : Codec::lz4);
    EXPECT_TRUE(entry);
    if (id % 20 != 0)
      spool->settle(*entry);
    else if (id % 40 == 0)
      spool->release(*entry);
    if (id % 10 == 0) spool.settle_down();
  }
  const BodyId body = *spool->begin_body();
  EXPECT_TRUE(spool->append_part(body, Slice::copy_of("part-in-clear" + std::string(9000, 'p'))));
  Group group;
  group.put(StateKind::first_above, as_bytes("state-in-clear"), as_bytes("value-in-clear"));
  EXPECT_TRUE(spool->append(group));
  spool.settle_down();
  return queue;
}

std::vector<std::string> found_in_clear(const MemoryDisk& disk) {
  std::vector<std::string> found;
  const auto files = disk.list();
  for (const FileInfo& info : *files) {
    const Bytes content = disk.content(info.name);
    for (const std::string_view text :
         {"body-in-clear", "routing-key-in-clear", "attribute-in-clear", "queue-name-in-clear",
          "part-in-clear", "state-in-clear", "value-in-clear", "aaaaaaaa"})
      if (as_text(content).find(text) != std::string_view::npos)
        found.push_back(info.name + ": " + std::string(text));
  }
  return found;
}

class EncryptedSpool : public testing::Test {
 protected:
  void SetUp() override {
    log::set_sink([this](std::string_view line) { logged_ += line; });
  }
  void TearDown() override { log::set_sink({}); }
  // Why it does not open, and that nothing was changed for it.
  void refused(const SpoolOptions& options, const std::string& what) {
    const std::size_t steps = disk_->steps();
    SpoolHarness spool(*disk_, options);
    ASSERT_FALSE(spool.is_open());
    EXPECT_EQ(spool.opened().error().code, Errc::bad_config);
    EXPECT_THAT(spool.opened().error().detail, HasSubstr(what));
    EXPECT_EQ(disk_->steps(), steps) << disk_->log().back();
  }
  void cut_power() { disk_ = disk_->restart(1); }
  std::unique_ptr<MemoryDisk> disk_ = std::make_unique<MemoryDisk>();
  std::string logged_;
};

TEST_F(EncryptedSpool, ShowsNothingOfWhatItHoldsInAnyByteOfItsFiles) {
  {
    SpoolHarness spool(*disk_, with(ring_of({3}), true));
    ASSERT_TRUE(spool.is_open()) << spool.opened().error().detail;
    fill(spool);
    EXPECT_GT(spool->status().compacted_bytes, 0u);
    EXPECT_THAT(found_in_clear(*disk_), IsEmpty());
  }
  cut_power();
  {
    SpoolHarness again(*disk_, with(ring_of({3}), true));
    ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
    EXPECT_THAT(again->recovery().losses, IsEmpty());
    EXPECT_EQ(again.bodies_in(again.queues().front()), bodies_up_to(400, 20));
    again.settle_down();
    EXPECT_THAT(found_in_clear(*disk_), IsEmpty());
  }
  MemoryDisk plain;
  SpoolHarness spool(plain, tiny_options());
  fill(spool);
  EXPECT_THAT(found_in_clear(plain), testing::Not(IsEmpty())) << "this looks at nothing";
}

TEST_F(EncryptedSpool, UsesNoNonceTwiceWithAKey) {
  NonceLog log;
  {
    WatchingDisk watched(*disk_, log);
    SpoolHarness spool(watched, with(ring_of({3}), true));
    fill(spool, 3000);
    EXPECT_GT(spool->status().compacted_bytes, 0u);
  }
  // Recovery writes footers anew, at the same places, whenever it is cut off before a trailer.
  for (std::size_t life = 0; life < 12; ++life) {
    cut_power();
    WatchingDisk watched(*disk_, log);
    disk_->crash_at(disk_->steps() + 1 + life % 6);
    SpoolHarness again(watched, with(ring_of({3}), true));
    if (!again.is_open()) continue;
    again.settle_down();
  }
  EXPECT_GE(log.segments_per_file_max(), 2u) << "no file was used again";
  EXPECT_GT(log.nonces.size(), 4000u);
  EXPECT_EQ(log.repeated, 0u);
  EXPECT_EQ(log.plain, 0u);
  EXPECT_EQ(log.not_understood, 0u);
}

TEST_F(EncryptedSpool, IsRefusedWithoutTheKeyThatItNeedsBeforeAnythingChanges) {
  {
    SpoolHarness spool(*disk_, with(ring_of({3})));
    fill(spool);
  }
  cut_power();
  disk_->plant("quarantine-1-4096.bin.new", Bytes(10));
  refused(with(ring_of({4})), "encrypted with key 3, which is not among the keys");
  refused(with(ring_of({0})), "encrypted with key 3, which is not among the keys");
  refused(tiny_options(), "encrypted with key 3, which is not among the keys");
  KeyBytes other = key_of(3);
  other[9] ^= std::byte{1};
  const auto wrong = std::make_shared<KeyRing>(std::map<std::uint32_t, KeyBytes>{{3, other}}, 3);
  refused(with(wrong), "does not open with the key 3 that is here");
  SpoolHarness again(*disk_, with(ring_of({3})));
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_THAT(again->recovery().losses, IsEmpty());
  EXPECT_EQ(again.bodies_in(again.queues().front()), bodies_up_to(400, 20));
}

TEST_F(EncryptedSpool, MovesToANewKeyUntilTheOldOneIsNotNeeded) {
  QueueId queue = 0;
  {
    SpoolOptions options = with(ring_of({1}));
    options.files.bytes_max = 14 * options.files.segment_bytes;  // what is given back is used again
    SpoolHarness spool(*disk_, options);
    queue = spool.make_queue();
    for (int id = 0; id < 300; ++id) {
      spool->release(*publish(spool, queue, id));
      if (id % 40 == 0) spool.settle_down();
    }
    EXPECT_THAT(spool->key_ids(), ElementsAre(1));
    ASSERT_TRUE(spool->use_keys(ring_of({2, 1})));
    for (int id = 300; id < 310; ++id) spool->release(*publish(spool, queue, id));
    for (int turn = 0; turn < 30; ++turn) {
      spool.clock.advance(std::chrono::seconds(1));
      spool->on_time(spool.clock.now());
      spool.settle_down();
    }
    EXPECT_THAT(spool->key_ids(), ElementsAre(2));
    EXPECT_EQ(spool.bodies_in(queue), bodies_up_to(310));
    const std::uint64_t moved = spool->status().compacted_bytes;
    for (int turn = 0; turn < 5; ++turn) spool.settle_down();
    EXPECT_EQ(spool->status().compacted_bytes, moved) << "it goes on and on";
    ASSERT_TRUE(spool->use_keys(ring_of({2})));
  }
  cut_power();
  bool old_life_is_there = false;
  const auto files = disk_->list();
  for (const FileInfo& info : *files) {
    const auto header = SegmentHeader::decode(disk_->content(info.name));
    old_life_is_there = old_life_is_there || (header && header->key_id == 1);
  }
  EXPECT_TRUE(old_life_is_there) << "no spare file has the old key's last life in it";
  SpoolHarness again(*disk_, with(ring_of({2}), true));
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(queue), bodies_up_to(310));
}

TEST_F(EncryptedSpool, BeginsANewSegmentWithANewKeyAtOnce) {
  SpoolHarness spool(*disk_, with(ring_of({1})));
  const QueueId queue = spool.make_queue();
  publish(spool, queue, 1);
  spool.settle_down();
  ASSERT_TRUE(spool->use_keys(ring_of({1, 2})));
  EXPECT_THAT(spool->key_ids(), ElementsAre(1)) << "the current one is the same";
  ASSERT_TRUE(spool->use_keys(ring_of({2, 1})));
  EXPECT_THAT(spool->key_ids(), ElementsAre(1, 2));
  spool.run();
  cut_power();
  refused(with(ring_of({1})), "key 2");
}

TEST_F(EncryptedSpool, RefusesNewKeysThatLackOneInUseOrHaveAnotherUnderItsNumber) {
  SpoolHarness spool(*disk_, with(ring_of({1})));
  const QueueId queue = spool.make_queue();
  publish(spool, queue, 0);
  spool.settle_down();
  EXPECT_THAT(spool->use_keys(ring_of({2})).error().detail, HasSubstr("key 1 is still needed"));
  EXPECT_THAT(spool->use_keys(nullptr).error().detail, HasSubstr("key 1 is still needed"));
  const auto other = std::make_shared<KeyRing>(
      std::map<std::uint32_t, KeyBytes>{{1, key_of(9)}, {2, key_of(2)}}, 2);
  EXPECT_THAT(spool->use_keys(other).error().detail, HasSubstr("key 1 is in use and has become"));
  EXPECT_THAT(spool->key_ids(), ElementsAre(1));
  EXPECT_EQ(spool.bodies_in(queue), bodies_up_to(1));
}

TEST_F(EncryptedSpool, RefusesPlainSegmentsWhereEncryptionIsRequired) {
  {
    SpoolHarness spool(*disk_, tiny_options());
    fill(spool);
  }
  cut_power();
  refused(with(ring_of({3}), true), "is not encrypted, and encryption is required");
  refused(with(ring_of({0, 3}), true), "no key is named");
  refused(with(nullptr, true), "no key is named");
  {
    SpoolHarness spool(*disk_, with(ring_of({3})));
    ASSERT_TRUE(spool.is_open());
    for (int turn = 0; turn < 30; ++turn) {
      spool.clock.advance(std::chrono::seconds(1));
      spool->on_time(spool.clock.now());
      spool.settle_down();
    }
    EXPECT_THAT(spool->key_ids(), ElementsAre(3));
    EXPECT_FALSE(spool->use_keys(nullptr));
  }
  cut_power();
  SpoolHarness again(*disk_, with(ring_of({3}), true));
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(again.queues().front()), bodies_up_to(400, 20));
}

TEST_F(EncryptedSpool, GoesBackToPlainIfItIsToldTo) {
  QueueId queue = 0;
  {
    SpoolHarness spool(*disk_, with(ring_of({3})));
    queue = fill(spool);
    std::map<std::uint32_t, KeyBytes> keys{{3, key_of(3)}};
    ASSERT_TRUE(spool->use_keys(std::make_shared<KeyRing>(keys, 0)));
    for (int turn = 0; turn < 30; ++turn) {
      spool.clock.advance(std::chrono::seconds(1));
      spool->on_time(spool.clock.now());
      spool.settle_down();
    }
    EXPECT_THAT(spool->key_ids(), ElementsAre(0));
  }
  cut_power();
  SpoolHarness again(*disk_, tiny_options());
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(queue), bodies_up_to(400, 20));
}

// A byte of the place's record is another, and its checksums are made good.
void forge(MemoryDisk& disk, const JournalPlace& place,
           const std::function<void(RecordHeader&, Bytes& payload)>& change) {
  Bytes file = disk.content(place.file);
  const auto segment = SegmentHeader::decode(file);
  ASSERT_TRUE(segment);
  const std::uint32_t seed = checksum_seed(segment->number, segment->salt);
  RecordHeader header = place.header;
  std::byte* const at = file.data() + place.offset;
  Bytes payload(at + RecordHeader::kSize, at + RecordHeader::kSize + header.stored);
  change(header, payload);
  header.payload_crc = crc32c(payload, seed);
  header.encode(at, seed, place.offset);
  std::ranges::copy(payload, at + RecordHeader::kSize);
  disk.plant(place.file, file);
}

std::vector<JournalPlace> records_of(const MemoryDisk& disk, RecordType type) {
  std::vector<JournalPlace> places = places_in(disk);
  std::erase_if(places, [&](const JournalPlace& place) {
    return place.kind != PlaceKind::record_header || place.type != type;
  });
  return places;
}

TEST_F(EncryptedSpool, TellsARecordThatWasTamperedWithOrMovedFromWhatItWrote) {
  QueueId queue = 0;
  {
    SpoolHarness spool(*disk_, with(ring_of({3})));
    queue = spool.make_queue();
    for (int id = 0; id < 150; ++id) {
      publish(spool, queue, 10 + id % 80);
      if (id % 10 == 0) spool.settle_down();  // full pages: compaction has nothing to win
    }
    spool.settle_down();
  }
  const auto messages = records_of(*disk_, RecordType::message);
  ASSERT_GT(messages.size(), 20u);
  ASSERT_TRUE(messages[5].is_sealed);
  ASSERT_EQ(messages[7].header.stored, messages[8].header.stored);
  forge(*disk_, messages[5], [](RecordHeader&, Bytes& payload) { payload[300] ^= std::byte{1}; });
  Bytes other;
  forge(*disk_, messages[8], [&](RecordHeader&, Bytes& payload) { other = payload; });
  forge(*disk_, messages[7], [&](RecordHeader&, Bytes& payload) { payload = other; });
  const auto runs = records_of(*disk_, RecordType::run);
  ASSERT_FALSE(runs.empty());
  forge(*disk_, runs.back(), [](RecordHeader&, Bytes& payload) { payload[40] ^= std::byte{1}; });
  const auto cores = records_of(*disk_, RecordType::core);
  forge(*disk_, cores.back(), [](RecordHeader&, Bytes& payload) { payload[40] ^= std::byte{1}; });
  SpoolHarness again(*disk_, with(ring_of({3})));
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  std::vector<std::size_t> wrong;
  const auto entries = again.fetch_all(queue);
  ASSERT_EQ(entries.size(), 150u) << "the rest is found by scanning";
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const auto body = again.body_of(entries[i]);
    if (body) {
      EXPECT_EQ(*body, body_of(10 + static_cast<int>(i) % 80));
      continue;
    }
    EXPECT_EQ(body.error().code, Errc::corrupt);
    wrong.push_back(i);
  }
  EXPECT_THAT(wrong, ElementsAre(5, 7));
}

TEST_F(EncryptedSpool, KnowsItsKeyFromItsBatchesWhenHeadersAreDamaged) {
  QueueId queue = 0;
  {
    SpoolOptions options = with(ring_of({3}));
    SpoolHarness spool(*disk_, options);
    queue = spool.make_queue();
    for (int id = 0; id < 20; ++id) {
      publish(spool, queue, id);
      spool.settle_down();
    }
  }
  const auto files = disk_->list();
  for (const FileInfo& info : *files) {
    if (SegmentFiles::is_segment_name(info.name)) disk_->flip(info.name, 30, std::byte{255});
  }
  refused(with(ring_of({4})), "encrypted with key 3");
  SpoolHarness again(*disk_, with(ring_of({3})));
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(queue), bodies_up_to(20));
}

TEST_F(EncryptedSpool, LogsNoKey) {
  {
    SpoolHarness spool(*disk_, with(ring_of({3})));
    fill(spool);
  }
  cut_power();
  KeyBytes other;
  other.fill(std::byte{'K'});
  refused(with(std::make_shared<KeyRing>(std::map<std::uint32_t, KeyBytes>{{3, other}}, 3)),
          "key 3");
  EXPECT_EQ(logged_.find("KKKK"), std::string::npos);
}

}  // namespace
}  // namespace pannier::spool
