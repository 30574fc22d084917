#include "sidecar/spool/segment_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/rand.h>

#include <functional>
#include <set>

#include "common/crc32c.h"
#include "common/random.h"
#include "sidecar/spool/journal.h"
#include "sidecar/spool/record_io.h"

namespace pannier::spool {
namespace {

constexpr Offset kAt = 4160;

KeyBytes master_of(unsigned first) {
  KeyBytes key;
  for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(first + i);
  return key;
}

SegmentHeader header_of(SegmentNumber number, std::uint32_t key_id) {
  SegmentHeader header;
  header.number = number;
  header.key_id = key_id;
  for (std::size_t i = 0; i < header.salt.size(); ++i)
    header.salt[i] = static_cast<std::byte>(0xa0 + i);
  return header;
}

RecordKeys keys_of(const SegmentHeader& header, unsigned master = 0) {
  return {checksum_seed(header.number, header.salt),
          std::make_shared<SegmentKey>(master_of(master), header)};
}

Bytes bytes_from(std::string_view hex) {
  Bytes bytes;
  for (std::size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<std::byte>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
  return bytes;
}

RecordHeader part_header(const RecordKeys& keys) {
  RecordHeader header;
  header.type = RecordType::part;
  header.flags = RecordHeader::kGroupGoesOn;
  header.meta = 4;
  header.content = 13;
  header.first_ordinal = 9;
  set_stored(header, 17, keys);
  return header;
}

Slice written(RecordHeader header, const RecordKeys& keys, Offset at = kAt) {
  Bytes bytes(header.bytes_on_disk());
  const std::array<ByteView, 2> pieces{as_bytes("meta"), as_bytes("a large body!")};
  write_record(header, pieces, keys, at, bytes.data());
  return Slice::copy_of(ByteView(bytes));
}

// The same bytes with another header, checksums made good: what who can write to the volume can do.
Slice forged(const Slice& record, const RecordKeys& keys, Offset at,
             const std::function<void(RecordHeader&, Bytes&)>& change) {
  Bytes bytes(record.view().begin(), record.view().end());
  RecordHeader header = *RecordHeader::decode(bytes, keys.seed, kAt);
  change(header, bytes);
  header.payload_crc =
      crc32c(ByteView(bytes).subspan(RecordHeader::kSize, header.stored), keys.seed);
  header.encode(bytes.data(), keys.seed, at);
  return Slice::copy_of(ByteView(bytes));
}

// Made with Python's cryptography from what docs/spool_format.md says: master key 00..1f, salt
// a0..af, segment 7, key id 3, nonce 00..0b, the header above at offset 4160.
TEST(SegmentKey, OpensWhatTheFormatPageSays) {
  const RecordKeys keys = keys_of(header_of(7, 3));
  const RecordHeader header = part_header(keys);
  const Bytes payload = bytes_from(
      "000102030405060708090a0b045d2f4103075def63bb341a573b94b52643"
      "1cde4207d06439df2ed79f6b6978f6");
  ASSERT_EQ(header.stored, payload.size());
  Bytes bytes(header.bytes_on_disk());
  std::ranges::copy(payload, bytes.begin() + RecordHeader::kSize);
  RecordHeader stored = header;
  stored.payload_crc = crc32c(payload, keys.seed);
  stored.encode(bytes.data(), keys.seed, kAt);
  const auto record = parse_record(Slice::copy_of(ByteView(bytes)), keys, kAt);
  ASSERT_TRUE(record) << record.error().detail;
  EXPECT_EQ(as_text(record->meta()), "meta");
  EXPECT_EQ(record->content().text(), "a large body!");
}

TEST(SegmentKey, GivesBackWhatWasWrittenAndWritesItOtherwiseEachTime) {
  const RecordKeys keys = keys_of(header_of(7, 3));
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    const Slice bytes = written(part_header(keys), keys);
    EXPECT_TRUE(seen.insert(std::string(bytes.text().substr(RecordHeader::kSize))).second);
    const auto record = parse_record(bytes, keys, kAt);
    ASSERT_TRUE(record);
    EXPECT_EQ(record->content().text(), "a large body!");
    EXPECT_EQ(bytes.text().find("large"), std::string_view::npos);
  }
}

// OpenSSL's generator, as it is in the memory of two machines of which one is a copy of the other,
// made while it ran.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
TEST(SegmentKey, TakesItsNoncesFromNoGeneratorThatACopyOfAMachineWouldShare) {
  static const RAND_METHOD copied{nullptr,
                                  [](unsigned char* to, int size) {
                                    std::fill_n(to, size, 7);
                                    return 1;
                                  },
                                  nullptr,
                                  nullptr,
                                  nullptr,
                                  nullptr};
  const RecordKeys keys = keys_of(header_of(5, 3));
  ASSERT_EQ(RAND_set_rand_method(&copied), 1);
  Salt salt{};
  fill_random(salt);
  ASSERT_EQ(salt[0], std::byte{7}) << "it is not the generator that is asked";
  std::set<std::string> nonces;
  for (int i = 0; i < 100; ++i) {
    const Slice record = written(part_header(keys), keys);
    nonces.emplace(record.part(RecordHeader::kSize, RecordHeader::kNonceSize).text());
  }
  RAND_set_rand_method(nullptr);
  EXPECT_EQ(nonces.size(), 100u);
}
#pragma GCC diagnostic pop

TEST(SegmentKey, OpensNoRecordOfAnotherKeyLifeOrSegment) {
  const SegmentHeader header = header_of(7, 3);
  const RecordKeys keys = keys_of(header);
  const Slice bytes = written(part_header(keys), keys);
  SegmentHeader other_life = header;
  other_life.salt[0] ^= std::byte{1};
  for (const RecordKeys& other : {keys_of(header, 1), keys_of(header_of(8, 3)),
                                  keys_of(header_of(7, 4)), keys_of(other_life)}) {
    const RecordKeys with(keys.seed, other.key);
    EXPECT_TRUE(check_record(bytes, keys.seed, kAt)) << "checksums need no key";
    EXPECT_EQ(parse_record(bytes, with, kAt).error().code, Errc::corrupt);
  }
  // Never taken for damage: perhaps it is the header that is not what it was.
  EXPECT_EQ(parse_record(bytes, keys.seed, kAt).error().code, Errc::wrong_version);
}

TEST(SegmentKey, OpensNothingThatWasTamperedWithOrMoved) {
  const RecordKeys keys = keys_of(header_of(7, 3));
  const Slice bytes = written(part_header(keys), keys);
  const auto refused = [&](Offset at, const std::function<void(RecordHeader&, Bytes&)>& change) {
    const Slice record = forged(bytes, keys, at, change);
    EXPECT_TRUE(check_record(record, keys.seed, at)) << "this is not what is tested";
    const auto parsed = parse_record(record, keys, at);
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, Errc::corrupt);
  };
  ASSERT_TRUE(parse_record(forged(bytes, keys, kAt, [](auto&, auto&) {}), keys, kAt));
  refused(kAt + 8, [](RecordHeader&, Bytes&) {});
  const std::uint32_t stored = part_header(keys).stored;
  for (std::size_t i = 0; i < stored; ++i)
    refused(kAt, [i](RecordHeader&, Bytes& all) { all[RecordHeader::kSize + i] ^= std::byte{4}; });
  refused(kAt, [](RecordHeader& header, Bytes&) { ++header.meta, --header.content; });
  refused(kAt, [](RecordHeader& header, Bytes&) { header.first_ordinal = 10; });
  refused(kAt, [](RecordHeader& header, Bytes&) { header.type = RecordType::state; });
  refused(kAt, [](RecordHeader& header, Bytes&) { header.flags = 0; });
  refused(kAt, [](RecordHeader& header, Bytes&) { --header.stored, --header.content; });
}

TEST(SegmentKey, ASegmentWithAKeyHasNoPlainRecords) {
  const RecordKeys keys = keys_of(header_of(7, 3));
  const RecordKeys plain(keys.seed);
  const Slice bytes = written(part_header(plain), plain);
  EXPECT_TRUE(parse_record(bytes, plain, kAt));
  EXPECT_EQ(parse_record(bytes, keys, kAt).error().code, Errc::corrupt);
}

TEST(SegmentKey, RefusesRecordsThatAreTooShortToBeEncrypted) {
  const RecordKeys keys = keys_of(header_of(7, 3));
  for (std::uint32_t stored = 0; stored < RecordHeader::kSealSize; ++stored) {
    RecordHeader header;
    header.type = RecordType::state;
    header.key_id = 3;
    header.stored = stored;
    Bytes bytes(64 + stored);
    header.payload_crc = crc32c(ByteView(bytes).subspan(RecordHeader::kSize, stored), keys.seed);
    header.encode(bytes.data(), keys.seed, kAt);
    EXPECT_EQ(parse_record(Slice::copy_of(ByteView(bytes)), keys, kAt).error().code, Errc::corrupt);
  }
}

}  // namespace
}  // namespace pannier::spool
