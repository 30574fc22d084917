#include "sidecar/spool/compression.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lz4.h>
#include <zstd.h>

#include <random>

#include "sidecar/spool/journal.h"
#include "sidecar/spool/record_io.h"

namespace pannier::spool {
namespace {

constexpr Codec kCodecs[] = {Codec::lz4, Codec::zstd};
constexpr std::uint32_t kSeed = 77;

std::string text_of(std::size_t size) {
  std::string text;
  while (text.size() < size) text += "order " + std::to_string(text.size() % 97) + ", ";
  text.resize(size);
  return text;
}

std::string noise_of(std::size_t size) {
  std::mt19937_64 random(size);
  std::string noise(size, '\0');
  for (char& at : noise) at = static_cast<char>(random());
  return noise;
}

Bytes compressed(Codec codec, std::string_view text) {
  Bytes to(ZSTD_compressBound(text.size()) + 64);
  const auto size = codec == Codec::zstd
                        ? ZSTD_compress(to.data(), to.size(), text.data(), text.size(), 1)
                        : static_cast<std::size_t>(LZ4_compress_default(
                              text.data(), reinterpret_cast<char*>(to.data()),
                              static_cast<int>(text.size()), static_cast<int>(to.size())));
  to.resize(size);
  return to;
}

TEST(Compression, GivesBackHeadAndBodyAsOneContent) {
  Compressor compressor;
  for (const Codec codec : kCodecs)
    for (const std::size_t size : {kCompressedMin, std::size_t{5000}, std::size_t{1} << 18}) {
      const std::string text = text_of(size);
      for (const std::size_t head : {std::size_t{0}, std::size_t{100}, size}) {
        const StoredContent stored = compressor.compress(
            codec, Slice::copy_of(text.substr(0, head)), Slice::copy_of(text.substr(head)));
        EXPECT_EQ(stored.codec, codec);
        EXPECT_EQ(stored.unfolded, size);
        EXPECT_LT(stored.size(), size);
        const auto unfolded = decompress(codec, stored.head.view(), stored.unfolded);
        ASSERT_TRUE(unfolded) << unfolded.error().detail;
        EXPECT_EQ(unfolded->text(), text);
      }
    }
}

TEST(Compression, LeavesAsItIsWhatIsSmallOrWouldNotGetSmaller) {
  Compressor compressor;
  for (const Codec codec : {Codec::none, Codec::lz4, Codec::zstd})
    for (const std::string& text :
         {std::string(), text_of(kCompressedMin - 1), noise_of(300), noise_of(70'000)}) {
      const StoredContent stored =
          compressor.compress(codec, Slice::copy_of("head"), Slice::copy_of(text));
      if (text.size() + 4 >= kCompressedMin && text.size() < 300) continue;
      EXPECT_EQ(stored.codec, Codec::none) << text.size();
      EXPECT_EQ(stored.head.text(), "head");
      EXPECT_EQ(stored.body.text(), text);
      EXPECT_EQ(stored.unfolded, text.size() + 4);
    }
  EXPECT_EQ(compressor.compress(Codec::none, {}, Slice::copy_of(text_of(9000))).codec, Codec::none);
}

TEST(Compression, RefusesAStreamThatUnfoldsToAnotherSizeThanItNames) {
  for (const Codec codec : kCodecs) {
    const std::string text = text_of(5000);
    const Bytes stored = compressed(codec, text);
    ASSERT_TRUE(decompress(codec, stored, 5000));
    for (const std::uint32_t size : {0u, 1u, 4999u, 5001u, 50'000u, kContentMax, kContentMax + 1})
      EXPECT_EQ(decompress(codec, stored, size).error().code, Errc::corrupt) << size;
    EXPECT_FALSE(decompress(codec, ByteView(stored).first(stored.size() - 1), 5000));
    EXPECT_FALSE(decompress(codec, {}, 5000));
    Bytes longer = stored;
    longer.push_back(std::byte{0});
    EXPECT_FALSE(decompress(codec, longer, 5000));
    EXPECT_FALSE(decompress(static_cast<Codec>(3), stored, 5000));
  }
}

TEST(Compression, RefusesABombThatUnfoldsBeyondWhatItsHeaderSays) {
  const std::string zeros(32u << 20, '\0');
  for (const Codec codec : kCodecs) {
    const Bytes bomb = compressed(codec, zeros);
    ASSERT_LT(bomb.size(), 200'000u);
    EXPECT_EQ(decompress(codec, bomb, 4096).error().code, Errc::corrupt);
    EXPECT_TRUE(decompress(codec, bomb, 32u << 20));
  }
  // Two frames would unfold one after the other.
  Bytes twice = compressed(Codec::zstd, text_of(500));
  const Bytes again = twice;
  twice.insert(twice.end(), again.begin(), again.end());
  EXPECT_EQ(decompress(Codec::zstd, twice, 1000).error().code, Errc::corrupt);
}

TEST(Compression, NeitherThrowsNorReadsBeyondTheEndOfWhateverBytes) {
  std::mt19937_64 random(5);
  for (const Codec codec : kCodecs) {
    const Bytes stored = compressed(codec, text_of(3000));
    for (int i = 0; i < 3000; ++i) {
      Bytes bytes = stored;
      for (std::uint64_t n = 1 + random() % 4; n > 0; --n)
        bytes[random() % bytes.size()] = static_cast<std::byte>(random());
      bytes.resize(1 + random() % bytes.size());
      bytes.shrink_to_fit();
      static_cast<void>(decompress(codec, bytes, static_cast<std::uint32_t>(random() % 5000)));
    }
  }
}

// A record's bytes with that header.
Slice record_of(RecordHeader header, const Bytes& payload) {
  Bytes bytes(header.bytes_on_disk());
  header.encode(bytes.data(), kSeed, 64);
  std::ranges::copy(payload, bytes.begin() + RecordHeader::kSize);
  return Slice::copy_of(ByteView(bytes));
}

TEST(Compression, ARecordSaysWhatItsContentUnfoldsTo) {
  const std::string text = text_of(4000);
  Compressor compressor;
  for (const Codec codec : kCodecs) {
    const StagedRecord staged = stage_content(
        RecordType::part, Bytes(16), compressor.compress(codec, {}, Slice::copy_of(text)), kSeed);
    EXPECT_EQ(staged.header.codec, codec);
    Bytes payload = staged.meta;
    payload.insert(payload.end(), staged.head.view().begin(), staged.head.view().end());
    const auto record = parse_record(record_of(staged.header, payload), kSeed, 64);
    ASSERT_TRUE(record) << record.error().detail;
    EXPECT_EQ(record->content().size(), staged.head.size());
    EXPECT_EQ(record->unfolded().value().text(), text);
    for (const std::uint32_t content : {0u, 10u, kContentMax + 1, ~0u}) {
      RecordHeader lies = staged.header;
      lies.content = content;
      EXPECT_EQ(parse_record(record_of(lies, payload), kSeed, 64).error().code, Errc::corrupt)
          << content;
    }
    RecordHeader lies = staged.header;
    lies.content = 3999;
    EXPECT_EQ(parse_record(record_of(lies, payload), kSeed, 64)->unfolded().error().code,
              Errc::corrupt);
    lies.codec = static_cast<Codec>(3);
    EXPECT_EQ(parse_record(record_of(lies, payload), kSeed, 64).error().code, Errc::wrong_version);
  }
}

}  // namespace
}  // namespace pannier::spool
