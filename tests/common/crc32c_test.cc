#include "common/crc32c.h"

#include <gtest/gtest.h>

#include "common/random.h"

namespace pannier {
namespace {

Bytes random_bytes(std::size_t size) {
  Random random(7);
  Bytes bytes(size);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random.below(256));
  return bytes;
}

// RFC 3720, appendix B.4, and the usual check value.
TEST(Crc32c, GivesThePublishedValues) {
  const Bytes zeros(32, std::byte{0});
  const Bytes ones(32, std::byte{0xff});
  Bytes ascending;
  Bytes descending;
  for (unsigned i = 0; i < 32; ++i) {
    ascending.push_back(static_cast<std::byte>(i));
    descending.push_back(static_cast<std::byte>(31 - i));
  }
  for (const auto crc : {crc32c, crc32c_portable}) {
    EXPECT_EQ(crc({}, 0), 0u);
    EXPECT_EQ(crc(zeros, 0), 0x8a9136aau);
    EXPECT_EQ(crc(ones, 0), 0x62a8ab43u);
    EXPECT_EQ(crc(ascending, 0), 0x46dd794eu);
    EXPECT_EQ(crc(descending, 0), 0x113fdb5cu);
    EXPECT_EQ(crc(as_bytes("123456789"), 0), 0xe3069283u);
  }
}

TEST(Crc32c, GivesTheSameResultWithAndWithoutTheInstruction) {
  const Bytes bytes = random_bytes(7000);  // more than twice what one round of three runs takes
  for (std::size_t size = 0; size <= bytes.size(); size += size < 400 ? 1 : 61) {
    const ByteView view = ByteView(bytes).first(size);
    ASSERT_EQ(crc32c(view), crc32c_portable(view)) << size << " bytes";
    ASSERT_EQ(crc32c(view, 0x12345678), crc32c_portable(view, 0x12345678)) << size << " bytes";
  }
}

TEST(Crc32c, DoesNotDependOnWhereTheBytesLieInMemory) {
  const Bytes bytes = random_bytes(1500);
  for (std::size_t shift = 0; shift < 16; ++shift) {
    Bytes moved(shift);
    moved.insert(moved.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(crc32c(ByteView(moved).subspan(shift)), crc32c_portable(bytes)) << shift;
  }
}

TEST(Crc32c, GoesOnWhereAnEarlierCallEnded) {
  const Bytes bytes = random_bytes(4000);
  for (const std::size_t cut : {0, 1, 7, 8, 95, 96, 1000, 3072, 3999, 4000}) {
    const ByteView view = bytes;
    EXPECT_EQ(crc32c(view.subspan(cut), crc32c(view.first(cut))), crc32c(view)) << cut;
    EXPECT_EQ(crc32c_portable(view.subspan(cut), crc32c_portable(view.first(cut))), crc32c(view));
  }
}

TEST(Crc32c, NoticesEveryFlippedBit) {
  Bytes bytes = random_bytes(200);
  const std::uint32_t before = crc32c(bytes);
  for (std::size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
    const auto mask = static_cast<std::byte>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    EXPECT_NE(crc32c(bytes), before) << bit;
    bytes[bit / 8] ^= mask;
  }
}

}  // namespace
}  // namespace pannier
