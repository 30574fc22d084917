#include "sidecar/spool/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "sidecar/spool/footer.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/record_io.h"
#include "tests/spool/codec_checks.h"

namespace pannier::spool {
namespace {

using testing::IsEmpty;

// What lies on disks must not change with a compiler or a careless edit.
static_assert(kFormatVersion == 1 && kPageSize == 4096 && kRecordAlignment == 8);
static_assert(SegmentHeader::kSize == 72 && SegmentTrailer::kSize == 92);
static_assert(BatchHeader::kSize == 64 && RecordHeader::kSize == 32);
static_assert(MessageMeta::kFixedSize == 40 && MessageMeta::kEntrySizeMax == 44);
static_assert(PartMeta::kSize == 16 && RunInfo::kSize == 80);
static_assert(kRunFixedSize == 16 && kRunEntrySize == 32 && kColumnFixedSize == 8);
static_assert(static_cast<int>(RecordType::message) == 1 &&
              static_cast<int>(RecordType::part) == 2);
static_assert(static_cast<int>(RecordType::settle) == 3 &&
              static_cast<int>(RecordType::state) == 4);
static_assert(static_cast<int>(RecordType::run) == 5 && static_cast<int>(RecordType::core) == 6);
static_assert(static_cast<int>(Codec::lz4) == 1 && static_cast<int>(Codec::zstd) == 2);
static_assert(static_cast<int>(StateKind::segments) == 1 &&
              static_cast<int>(StateKind::queue) == 7);
static_assert(static_cast<int>(StateKind::first_above) == 64);

Salt salt_of(std::uint8_t first) {
  Salt salt;
  for (std::size_t i = 0; i < salt.size(); ++i) salt[i] = static_cast<std::byte>(first + i);
  return salt;
}

SegmentHeader segment_header() {
  SegmentHeader header;
  header.needs = 0;
  header.number = 0x0102030405060708;
  header.spool_id = salt_of(0x80);
  header.salt = salt_of(0x10);
  header.segment_bytes = kSegmentBytesDefault;
  header.key_id = 77;
  header.created_ms = 1'790'000'000'123;
  return header;
}

SegmentTrailer segment_trailer() {
  return {segment_header(), 5 * kPageSize, 5 * kPageSize + 640, 1000, 65'536};
}

BatchHeader batch_header() {
  BatchHeader header;
  header.number = 9;
  header.salt = salt_of(0x10);
  header.size = 1234;
  header.records = 12;
  header.synced = {8, 4096};
  header.first_ordinal = 65'535;
  header.written_ms = -1;
  return header;
}

RecordHeader record_header() {
  RecordHeader header;
  header.payload_crc = 0xDEADBEEF;
  header.stored = 900;
  header.meta = 64;
  header.content = 836;
  header.key_id = 3;
  header.first_ordinal = 65'535;
  header.type = RecordType::settle;
  header.flags = RecordHeader::kGroupGoesOn;
  header.codec = Codec::zstd;
  return header;
}

constexpr Offset kAt = 3 * kPageSize + 64;
constexpr std::uint32_t kSeed = 0x12345678;

template <typename Header>
Bytes encoded(const Header& header) {
  Bytes bytes(Header::kSize);
  header.encode(bytes.data());
  return bytes;
}
Bytes encoded(const BatchHeader& header, Offset at = kAt) {
  Bytes bytes(BatchHeader::kSize);
  header.encode(bytes.data(), at);
  return bytes;
}
Bytes encoded(const RecordHeader& header, std::uint32_t seed = kSeed, Offset at = kAt) {
  Bytes bytes(RecordHeader::kSize);
  header.encode(bytes.data(), seed, at);
  return bytes;
}

bool is_segment(ByteView bytes) { return SegmentHeader::decode(bytes).has_value(); }
bool is_trailer(ByteView bytes) { return SegmentTrailer::decode(bytes).has_value(); }
bool is_batch(ByteView bytes) { return BatchHeader::decode(bytes, kAt).has_value(); }
bool is_record(ByteView bytes) { return RecordHeader::decode(bytes, kSeed, kAt).has_value(); }

// The bits that can be changed without the decoder's noticing.
std::vector<std::size_t> unnoticed_bits(Bytes bytes, bool (*decodes)(ByteView)) {
  EXPECT_TRUE(decodes(bytes));
  std::vector<std::size_t> unnoticed;
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
    if (decodes(bytes)) unnoticed.push_back(bit);
    bytes[bit / 8] ^= std::byte{1} << (bit % 8);
  }
  return unnoticed;
}

TEST(Format, GivesBackEveryFieldOfASegmentHeader) {
  const auto header = SegmentHeader::decode(encoded(segment_header()));
  ASSERT_TRUE(header);
  EXPECT_EQ(header->version, kFormatVersion);
  EXPECT_EQ(header->needs, 0);
  EXPECT_EQ(header->number, segment_header().number);
  EXPECT_EQ(header->spool_id, segment_header().spool_id);
  EXPECT_EQ(header->salt, segment_header().salt);
  EXPECT_EQ(header->segment_bytes, kSegmentBytesDefault);
  EXPECT_EQ(header->key_id, 77u);
  EXPECT_EQ(header->created_ms, segment_header().created_ms);
  EXPECT_TRUE(header->is_readable());
}

TEST(Format, TellsTheSegmentsOfALaterRelease) {
  SegmentHeader header = segment_header();
  header.version = kFormatVersion + 1;
  EXPECT_FALSE(SegmentHeader::decode(encoded(header)).value().is_readable());
  header.version = kFormatVersion;
  header.needs = 0x8000;
  EXPECT_FALSE(SegmentHeader::decode(encoded(header)).value().is_readable());
}

TEST(Format, GivesBackEveryFieldOfATrailer) {
  const auto trailer = SegmentTrailer::decode(encoded(segment_trailer()));
  ASSERT_TRUE(trailer);
  EXPECT_EQ(trailer->header.number, segment_header().number);
  EXPECT_EQ(trailer->data_end, 5 * kPageSize);
  EXPECT_EQ(trailer->core_offset, 5 * kPageSize + 640);
  EXPECT_EQ(trailer->core_bytes, 1000u);
  EXPECT_EQ(trailer->entries, 65'536u);
}

TEST(Format, TakesNoTrailerWhosePlacesDoNotAddUp) {
  const auto refuses = [](auto&& edit) {
    SegmentTrailer trailer = segment_trailer();
    edit(trailer);
    return !is_trailer(encoded(trailer));
  };
  EXPECT_TRUE(refuses([](auto& t) { t.data_end = 0; }));
  EXPECT_TRUE(refuses([](auto& t) { t.data_end += 8; }));
  EXPECT_TRUE(refuses([](auto& t) { t.core_offset = t.data_end - 8; }));
  EXPECT_TRUE(refuses([](auto& t) { t.core_bytes = 31; }));
  EXPECT_TRUE(refuses([](auto& t) { t.core_bytes = 0xFFFFFFFF; }));
  EXPECT_TRUE(refuses([](auto& t) { t.core_offset = t.header.segment_bytes - kPageSize; }));
  EXPECT_TRUE(refuses([](auto& t) { t.entries = 65'537; }));
  EXPECT_FALSE(refuses([](auto&) {}));
}

TEST(Format, GivesBackEveryFieldOfABatchHeader) {
  const auto header = BatchHeader::decode(encoded(batch_header()), kAt);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->number, 9u);
  EXPECT_EQ(header->salt, salt_of(0x10));
  EXPECT_EQ(header->size, 1234u);
  EXPECT_EQ(header->records, 12u);
  EXPECT_EQ(header->synced, (Position{8, 4096}));
  EXPECT_EQ(header->first_ordinal, 65'535u);
  EXPECT_EQ(header->written_ms, -1);
}

TEST(Format, GivesBackEveryFieldOfARecordHeader) {
  const auto header = RecordHeader::decode(encoded(record_header()), kSeed, kAt);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->payload_crc, 0xDEADBEEFu);
  EXPECT_EQ(header->stored, 900u);
  EXPECT_EQ(header->meta, 64u);
  EXPECT_EQ(header->content, 836u);
  EXPECT_EQ(header->key_id, 3u);
  EXPECT_EQ(header->first_ordinal, 65'535u);
  EXPECT_EQ(header->type, RecordType::settle);
  EXPECT_EQ(header->flags, RecordHeader::kGroupGoesOn);
  EXPECT_EQ(header->codec, Codec::zstd);
  EXPECT_EQ(header->bytes_on_disk(), 936u);
}

TEST(Format, NoticesAChangedBitAnywhereInAnyHeader) {
  EXPECT_THAT(unnoticed_bits(encoded(segment_header()), is_segment), IsEmpty());
  EXPECT_THAT(unnoticed_bits(encoded(segment_trailer()), is_trailer), IsEmpty());
  EXPECT_THAT(unnoticed_bits(encoded(batch_header()), is_batch), IsEmpty());
  EXPECT_THAT(unnoticed_bits(encoded(record_header()), is_record), IsEmpty());
}

TEST(Format, RefusesEveryPrefixOfAHeader) {
  EXPECT_THAT(prefixes_taken(encoded(segment_header()), is_segment), IsEmpty());
  EXPECT_THAT(prefixes_taken(encoded(segment_trailer()), is_trailer), IsEmpty());
  EXPECT_THAT(prefixes_taken(encoded(batch_header()), is_batch), IsEmpty());
  EXPECT_THAT(prefixes_taken(encoded(record_header()), is_record), IsEmpty());
}

TEST(Format, TakesNoHeaderFromRandomBytes) {
  const auto none = [](bool (*decodes)(ByteView)) {
    return [decodes](ByteView bytes) { ASSERT_FALSE(decodes(bytes)); };
  };
  const Bytes zeros(SegmentTrailer::kSize);
  EXPECT_FALSE(is_segment(zeros) || is_trailer(zeros) || is_batch(zeros) || is_record(zeros));
  try_damaged(random_bytes(*std::make_unique<Random>(1), 92), none(is_segment), 2);
  try_damaged(random_bytes(*std::make_unique<Random>(1), 92), none(is_trailer), 3);
  try_damaged(random_bytes(*std::make_unique<Random>(1), 92), none(is_batch), 4);
  try_damaged(random_bytes(*std::make_unique<Random>(1), 92), none(is_record), 5);
}

TEST(Format, FindsAHeaderOnlyWhereItWasWritten) {
  const Bytes batch = encoded(batch_header());
  const Bytes record = encoded(record_header());
  for (Offset at = 0; at < 64 * kPageSize; at += kRecordAlignment) {
    EXPECT_EQ(BatchHeader::decode(batch, at).has_value(), at == kAt) << at;
    EXPECT_EQ(RecordHeader::decode(record, kSeed, at).has_value(), at == kAt) << at;
  }
}

TEST(Format, TakesNoRecordOfAnotherSegmentOrOfAnotherLifeOfItsFile) {
  const std::uint32_t seed = checksum_seed(9, salt_of(0x10));
  const Bytes record = encoded(record_header(), seed);
  EXPECT_TRUE(RecordHeader::decode(record, seed, kAt));
  std::set<std::uint32_t> seeds{seed};
  const auto refuses = [&](SegmentNumber number, const Salt& salt) {
    const std::uint32_t other = checksum_seed(number, salt);
    EXPECT_TRUE(seeds.insert(other).second);
    EXPECT_FALSE(RecordHeader::decode(record, other, kAt));
  };
  for (SegmentNumber number = 10; number < 1000; ++number) refuses(number, salt_of(0x10));
  for (std::size_t bit = 0; bit < 128; ++bit) {
    Salt salt = salt_of(0x10);
    salt[bit / 8] ^= std::byte{1} << (bit % 8);
    refuses(9, salt);
  }
}

TEST(Format, TakesNoHeaderWithASizeThatCannotBe) {
  BatchHeader batch = batch_header();
  for (const std::uint32_t size : {0u, 63u, kSegmentBytesMax + 1, 0xFFFFFFF8u}) {
    batch.size = size;
    EXPECT_FALSE(is_batch(encoded(batch))) << size;
  }
  RecordHeader record = record_header();
  for (const std::uint32_t stored : {63u, kSegmentBytesMax + 1, 0xFFFFFFE0u, 0xFFFFFFFFu}) {
    record.stored = stored;
    EXPECT_FALSE(is_record(encoded(record))) << stored;
  }
}

TEST(Format, OrdersPositionsBySegmentFirst) {
  EXPECT_LT((Position{1, 9000}), (Position{2, 0}));
  EXPECT_LT((Position{2, 0}), (Position{2, 1}));
  EXPECT_EQ(aligned(0, 8), 0u);
  EXPECT_EQ(aligned(1, 8), 8u);
  EXPECT_EQ(aligned(4096, kPageSize), 4096u);
  EXPECT_EQ(aligned(4097, kPageSize), 8192u);
}

// A record as it lies on disk, with a header that the test may have changed.
Slice record_bytes(RecordHeader header, std::string_view payload) {
  Bytes bytes(std::max<std::size_t>(header.bytes_on_disk(), RecordHeader::kSize + payload.size()));
  header.encode(bytes.data(), kSeed, kAt);
  std::memcpy(bytes.data() + RecordHeader::kSize, payload.data(), payload.size());
  return Slice::copy_of(bytes);
}

Errc refusal(const Slice& bytes) {
  const auto record = parse_record(bytes, kSeed, kAt);
  return record ? Errc::bad_argument : record.error().code;
}

TEST(RecordIo, GivesBackARecord) {
  const StagedRecord staged = stage(RecordType::state, Bytes(3, std::byte{'m'}),
                                    Slice::copy_of("head"), Slice::copy_of("body"), kSeed);
  const auto record = parse_record(record_bytes(staged.header, "mmmheadbody"), kSeed, kAt);
  ASSERT_TRUE(record) << record.error().detail;
  EXPECT_EQ(as_text(record->meta()), "mmm");
  EXPECT_EQ(record->content().text(), "headbody");
}

TEST(RecordIo, RefusesAPayloadWithAnyBitChanged) {
  const StagedRecord staged = stage(RecordType::state, Bytes(3, std::byte{'m'}),
                                    Slice::copy_of("head"), Slice::copy_of("body"), kSeed);
  std::string payload = "mmmheadbody";
  for (std::size_t bit = 0; bit < payload.size() * 8; ++bit) {
    payload[bit / 8] = static_cast<char>(payload[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_EQ(refusal(record_bytes(staged.header, payload)), Errc::corrupt) << bit;
    payload[bit / 8] = static_cast<char>(payload[bit / 8] ^ (1 << (bit % 8)));
  }
}

TEST(RecordIo, SaysWhatOnlyALaterReleaseCanRead) {
  const RecordHeader plain =
      stage(RecordType::state, Bytes(3, std::byte{'m'}), {}, {}, kSeed).header;
  const auto refused = [&](auto&& edit) {
    RecordHeader header = plain;
    edit(header);
    return refusal(record_bytes(header, "mmm"));
  };
  EXPECT_EQ(refused([](auto& h) { h.key_id = 1; }), Errc::corrupt) << "too short";
  EXPECT_EQ(refused([](auto& h) { h.codec = Codec::lz4; }), Errc::corrupt) << "known, but empty";
  EXPECT_EQ(refused([](auto& h) { h.codec = static_cast<Codec>(9); }), Errc::wrong_version);
  EXPECT_EQ(refused([](auto& h) { h.type = static_cast<RecordType>(7); }), Errc::wrong_version);
  EXPECT_EQ(refused([](auto& h) { h.type = static_cast<RecordType>(0); }), Errc::wrong_version);
  EXPECT_EQ(refused([](auto& h) { h.flags = 2; }), Errc::wrong_version);
  EXPECT_EQ(refused([](auto& h) { h.content = 1; }), Errc::corrupt);
}

TEST(RecordIo, NeverReadsBeyondAMessageWhoseSizesDoNotAddUp) {
  const auto refused = [](std::uint32_t head_size, std::uint64_t body_size, std::uint32_t parts) {
    MessageMeta meta;
    meta.head_size = head_size;
    meta.body_size = body_size;
    meta.parts = parts;
    Bytes bytes;
    meta.encode(bytes);
    const auto meta_size = static_cast<std::uint32_t>(bytes.size());
    for (const char c : std::string_view("12345")) bytes.push_back(static_cast<std::byte>(c));
    StoredRecord record;
    record.header.meta = meta_size;
    record.payload = Slice::copy_of(bytes);
    return !message_from(record);
  };
  EXPECT_FALSE(refused(2, 3, 0));
  EXPECT_FALSE(refused(5, 1000, 4));
  EXPECT_TRUE(refused(2, 4, 0));
  EXPECT_TRUE(refused(6, 0, 0));
  EXPECT_TRUE(refused(10, ~std::uint64_t{0} - 4, 0));  // the sum wraps around to 5
  EXPECT_TRUE(refused(4, 1000, 4));
}

}  // namespace
}  // namespace pannier::spool
