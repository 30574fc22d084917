// Messages that are compressed in the spool, through everything that happens to them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/spool/recovery_harness.h"

namespace pannier::spool {
namespace {

using testing::Each;

std::string text_of(int id, std::size_t size) {
  std::string text;
  while (text.size() < size) text += "message " + std::to_string(id) + ", ";
  text.resize(size);
  return text;
}

Entry publish(SpoolHarness& spool, QueueId queue, const std::string& body, Codec codec) {
  Target target;
  target.queue = queue;
  Content content;
  content.head = Slice::copy_of("head");
  content.body = Slice::copy_of(body);
  content.codec = codec;
  Group group;
  group.publish(std::move(content), {&target, 1});
  EXPECT_TRUE(spool->append(group));
  return group.entries().front();
}

struct Seen {
  std::vector<std::uint16_t> needs;  // of each segment, by number
  std::uint64_t compressed = 0;      // records
  std::uint64_t plain = 0;           // messages and parts
  std::uint64_t wrong = 0;           // compressed where the header does not say so
};

Seen look_at(MemoryDisk& disk) {
  Seen seen;
  std::map<SegmentNumber, SegmentHeader> headers;
  const auto files = disk.list();
  for (const FileInfo& info : *files) {
    if (!SegmentFiles::is_segment_name(info.name)) continue;
    Bytes page(kPageSize);
    EXPECT_TRUE((*disk.open(info.name))->read(0, page));
    if (const auto header = SegmentHeader::decode(page)) headers[header->number] = *header;
  }
  for (const auto& [number, header] : headers) seen.needs.push_back(header.needs);
  for (const JournalPlace& place : places_in(disk)) {
    if (place.kind != PlaceKind::record_header || place.type > RecordType::part) continue;
    const bool is_compressed = place.header.codec != Codec::none;
    ++(is_compressed ? seen.compressed : seen.plain);
    if (is_compressed && headers.at(place.segment).needs != SegmentHeader::kCompressed)
      ++seen.wrong;
  }
  return seen;
}

class CompressedSpool : public testing::TestWithParam<Codec> {};

TEST_P(CompressedSpool, GivesBackWhatWasPublishedAfterARestartAndCompaction) {
  auto disk = std::make_unique<MemoryDisk>();
  QueueId queue = 0;
  std::vector<std::string> kept;
  {
    SpoolHarness spool(*disk, tiny_options());
    queue = spool.make_queue();
    for (int i = 0; i < 1500; ++i) {
      const std::string body = text_of(i, 3000);
      const Entry entry = publish(spool, queue, body, i % 10 == 3 ? Codec::none : GetParam());
      EXPECT_EQ(entry.message_bytes, 3004u);
      if (i % 10 != 3) {
        EXPECT_LT(entry.record_bytes, 500u);
      }
      if (i % 100 == 0 || i % 100 == 3)
        kept.push_back(body);
      else
        spool->settle(entry);
      if (i % 20 == 0) spool.settle_down();
    }
    spool.settle_down();
    EXPECT_GT(spool->status().compacted_bytes, 0u);
    EXPECT_EQ(spool.bodies_in(queue), kept);
    EXPECT_EQ(spool->totals({queue, 0}).message_bytes, kept.size() * 3004);
    EXPECT_LT(spool->status().live_bytes, kept.size() * 2000);
  }
  EXPECT_EQ(look_at(*disk).wrong, 0u);
  EXPECT_GE(look_at(*disk).compressed, 15u) << "compaction unfolds them";
  disk = disk->restart(1);
  SpoolHarness again(*disk, tiny_options());
  ASSERT_TRUE(again.is_open()) << again.opened().error().detail;
  EXPECT_EQ(again.bodies_in(queue), kept);
}

TEST_P(CompressedSpool, PartsAreCompressedOneByOne) {
  auto disk = std::make_unique<MemoryDisk>();
  BodyId body = 0;
  {
    SpoolHarness spool(*disk, tiny_options());
    const QueueId queue = spool.make_queue();
    body = *spool->begin_body(GetParam());
    for (int i = 0; i < 4; ++i)
      ASSERT_TRUE(spool->append_part(body, Slice::copy_of(text_of(i, 12'000))));
    Content content;
    content.body_id = body;
    content.parts = 4;
    content.body_size = 48'000;
    Target target;
    target.queue = queue;
    Group group;
    group.publish(std::move(content), {&target, 1});
    ASSERT_TRUE(spool->append(group));
    spool.settle_down();
    EXPECT_LT(spool->status().live_bytes, 4000u);
  }
  EXPECT_EQ(look_at(*disk).compressed, 4u);
  disk = disk->restart(1);
  SpoolHarness again(*disk, tiny_options());
  for (std::uint32_t i = 0; i < 4; ++i) {
    std::optional<Result<Slice>> part;
    again->read_part(body, i, [&](auto bytes) { part = std::move(bytes); });
    again.run();
    ASSERT_TRUE(part && *part);
    EXPECT_EQ((*part)->text(), text_of(static_cast<int>(i), 12'000));
  }
}

TEST_P(CompressedSpool, OnlySegmentsThatHoldSomethingCompressedNeedToBeReadWithIt) {
  MemoryDisk disk;
  SpoolHarness spool(disk, tiny_options());
  const QueueId queue = spool.make_queue();
  publish(spool, queue, text_of(1, 3000), Codec::none);
  publish(spool, queue, "too small", GetParam());
  spool.settle_down();
  EXPECT_THAT(look_at(disk).needs, Each(0));
  publish(spool, queue, text_of(2, 3000), GetParam());
  publish(spool, queue, text_of(3, 3000), GetParam());
  spool.settle_down();
  EXPECT_THAT(look_at(disk).needs, testing::ElementsAre(0, SegmentHeader::kCompressed));
  EXPECT_EQ(look_at(disk).compressed, 2u);
  EXPECT_EQ(spool.bodies_in(queue), (std::vector{text_of(1, 3000), std::string("too small"),
                                                 text_of(2, 3000), text_of(3, 3000)}));
}

INSTANTIATE_TEST_SUITE_P(Codecs, CompressedSpool, testing::Values(Codec::lz4, Codec::zstd));

TEST(CompressedSpoolFolder, IsRefusedIfItNeedsWhatALaterReleaseHas) {
  auto disk = std::make_unique<MemoryDisk>();
  {
    SpoolHarness spool(*disk, tiny_options());
    spool.make_queue();
    spool.settle_down();
  }
  const auto files = disk->list();
  for (const FileInfo& info : *files) {
    if (!SegmentFiles::is_segment_name(info.name)) continue;
    auto file = std::move(disk->open(info.name).value());
    Bytes page(kPageSize);
    ASSERT_TRUE(file->read(0, page));
    auto header = SegmentHeader::decode(page);
    if (!header) continue;
    header->needs |= 0x4000;
    header->encode(page.data());
    const ByteView view(page);
    ASSERT_TRUE(file->write(0, {&view, 1}));
  }
  SpoolHarness again(*disk, tiny_options());
  ASSERT_FALSE(again.is_open());
  EXPECT_EQ(again.opened().error().code, Errc::wrong_version);
}

}  // namespace
}  // namespace pannier::spool
