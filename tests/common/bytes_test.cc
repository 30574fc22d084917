#include "common/bytes.h"

#include <gtest/gtest.h>

namespace pannier {
namespace {

Bytes bytes_of(std::initializer_list<unsigned> values) {
  Bytes bytes;
  for (const unsigned value : values) bytes.push_back(static_cast<std::byte>(value));
  return bytes;
}

TEST(ByteWriter, LaysIntegersOutInTheOrderAskedFor) {
  Bytes out;
  ByteWriter writer(out);
  writer.be<std::uint16_t>(0x0102);
  writer.le<std::uint32_t>(0x03040506);
  writer.be<std::uint64_t>(0x0102030405060708);
  writer.u8(0xff);
  EXPECT_EQ(out, bytes_of({1, 2, 6, 5, 4, 3, 1, 2, 3, 4, 5, 6, 7, 8, 0xff}));
  EXPECT_EQ(writer.size(), 15u);
}

TEST(ByteWriter, AppendsBehindWhatIsThere) {
  Bytes out = bytes_of({9});
  ByteWriter writer(out);
  writer.bytes(as_bytes("ab"));
  writer.bytes({});
  writer.zeros(2);
  EXPECT_EQ(out, bytes_of({9, 'a', 'b', 0, 0}));
}

TEST(ByteReader, ReadsBackWhatAWriterWrote) {
  Bytes out;
  ByteWriter writer(out);
  writer.le<std::uint64_t>(0xfedcba9876543210);
  writer.be<std::uint32_t>(0xdeadbeef);
  writer.le<std::uint16_t>(0xcafe);
  writer.u8(7);
  writer.bytes(as_bytes("tail"));

  ByteReader reader(out);
  EXPECT_EQ(reader.le<std::uint64_t>(), 0xfedcba9876543210u);
  EXPECT_EQ(reader.be<std::uint32_t>(), 0xdeadbeefu);
  EXPECT_EQ(reader.le<std::uint16_t>(), 0xcafeu);
  EXPECT_EQ(reader.u8(), 7u);
  EXPECT_FALSE(reader.done());
  EXPECT_EQ(as_text(reader.bytes(4)), "tail");
  EXPECT_TRUE(reader.done());
}

TEST(ByteReader, FailsForGoodOnceSomethingReachesPastTheEnd) {
  const Bytes bytes = bytes_of({1, 2, 3});
  ByteReader reader(bytes);
  EXPECT_EQ(reader.be<std::uint32_t>(), 0u);
  EXPECT_FALSE(reader.ok());
  EXPECT_EQ(reader.left(), 0u);
  EXPECT_EQ(reader.u8(), 0u) << "one byte would have fitted, had nothing failed before";
  EXPECT_TRUE(reader.bytes(1).empty());
  EXPECT_FALSE(reader.done());
}

TEST(ByteReader, FailsAtEveryCutOfALayout) {
  Bytes out;
  ByteWriter writer(out);
  writer.be<std::uint16_t>(3);
  writer.bytes(as_bytes("abc"));
  writer.le<std::uint32_t>(5);
  for (std::size_t size = 0; size <= out.size(); ++size) {
    ByteReader reader(ByteView(out).first(size));
    reader.bytes(reader.be<std::uint16_t>());
    reader.le<std::uint32_t>();
    EXPECT_EQ(reader.ok(), size == out.size()) << size;
  }
}

TEST(ByteReader, RefusesASizeThatWouldOverflow) {
  const Bytes bytes = bytes_of({1, 2, 3});
  ByteReader reader(bytes);
  reader.u8();
  EXPECT_TRUE(reader.bytes(static_cast<std::size_t>(-1)).empty());
  EXPECT_FALSE(reader.ok());
}

TEST(ByteReader, SkipsAndShowsTheRest) {
  const Bytes bytes = bytes_of({1, 2, 3, 4});
  ByteReader reader(bytes);
  reader.skip(3);
  EXPECT_EQ(reader.left(), 1u);
  EXPECT_EQ(reader.rest().data(), bytes.data() + 3);
  reader.skip(0);
  EXPECT_TRUE(reader.ok());
}

}  // namespace
}  // namespace pannier
