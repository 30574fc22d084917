#include "common/quantity.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace pannier {
namespace {

using std::chrono::milliseconds;

std::string duration_error(std::string_view text) {
  const auto result = parse_duration(text);
  return result ? "read as " + duration_text(*result) : result.error().detail;
}
std::string quantity_error(std::string_view text) {
  const auto result = parse_quantity(text);
  return result ? "read as " + std::to_string(*result) : result.error().detail;
}

TEST(Quantity, ReadsDurationsAsGoWritesThem) {
  const std::pair<std::string_view, std::int64_t> cases[] = {
      {"0", 0},
      {"0s", 0},
      {"250ms", 250},
      {"60s", 60'000},
      {"5m", 300'000},
      {"1h30m", 5'400'000},
      {"1.5h", 5'400'000},
      {"24h0m0s", 86'400'000},
      {"0.5s", 500},
      {".5s", 500},
      {"1.s", 1'000},
      {"1m1ms", 60'001},
      {"2000us", 2},
      {"2000µs", 2},
      {"1000000ns", 1},
      {"0.001s", 1},
      {"9223372036854ms", 9'223'372'036'854},
  };
  for (const auto& [text, expected] : cases) {
    const auto result = parse_duration(text);
    ASSERT_TRUE(result) << text << ": " << result.error().detail;
    EXPECT_EQ(result->count(), expected) << text;
  }
}

TEST(Quantity, RefusesADurationThatIsNotOneAndSaysWhatIsExpected) {
  EXPECT_EQ(
      duration_error("60"),
      "expected a duration such as 250ms, 60s or 1h30m, found \"60\": add a unit: h, m, s or ms");
  EXPECT_EQ(duration_error("3d"),
            "expected a duration such as 250ms, 60s or 1h30m, found \"3d\": the units are h, m, s "
            "and ms");
  EXPECT_EQ(
      duration_error("-1s"),
      "expected a duration such as 250ms, 60s or 1h30m, found \"-1s\": it may not be negative");
  EXPECT_EQ(
      duration_error("1us"),
      "expected a duration such as 250ms, 60s or 1h30m, found \"1us\": use whole milliseconds");
  for (const std::string_view text :
       {"", "s", ".", ".s", "1.2.3s", "1h30", "1 h", " 1h", "1h ", "1S", "0x1s", "1e3s", "+",
        "1h-1m", "9223372036855ms", "99999999999999999999999999999h", "0.0000000000000000000001h",
        "∞"})
    EXPECT_FALSE(parse_duration(text)) << text;
}

TEST(Quantity, WritesADurationThatReadsBackTheSame) {
  EXPECT_EQ(duration_text(milliseconds{0}), "0s");
  EXPECT_EQ(duration_text(milliseconds{5'400'000}), "1h30m");
  EXPECT_EQ(duration_text(milliseconds{90'000}), "1m30s");
  EXPECT_EQ(duration_text(milliseconds{86'400'001}), "24h1ms");
  std::mt19937_64 random(1);
  for (int i = 0; i < 10'000; ++i) {
    const milliseconds value{
        static_cast<std::int64_t>(random() % 9'223'372'036'854 >> random() % 43)};
    const auto again = parse_duration(duration_text(value));
    ASSERT_TRUE(again) << duration_text(value);
    EXPECT_EQ(*again, value);
  }
}

TEST(Quantity, ReadsBytesAsKubernetesWritesThem) {
  const std::pair<std::string_view, std::uint64_t> cases[] = {
      {"0", 0},
      {"128974848", 128'974'848},
      {"100k", 100'000},
      {"1G", 1'000'000'000},
      {"500Mi", 500ull << 20},
      {"1Gi", 1ull << 30},
      {"1.5Gi", 3ull << 29},
      {"0.1Ki", 103},  // 102.4, rounded up
      {"1e3", 1'000},
      {"12E+2", 1'200},
      {"1E", 1'000'000'000'000'000'000},
      {"15Ei", 15ull << 60},
      {"18446744073709551615", std::numeric_limits<std::uint64_t>::max()},
  };
  for (const auto& [text, expected] : cases) {
    const auto result = parse_quantity(text);
    ASSERT_TRUE(result) << text << ": " << result.error().detail;
    EXPECT_EQ(*result, expected) << text;
  }
}

TEST(Quantity, RefusesBytesThatAreNotAQuantityAndSaysWhatIsExpected) {
  EXPECT_EQ(quantity_error("1GB"),
            "expected a number of bytes such as 500Mi, 1Gi or 100k, found \"1GB\": "
            "the suffixes are Ki Mi Gi Ti Pi Ei k M G T P E");
  EXPECT_EQ(quantity_error("-1Gi"),
            "expected a number of bytes such as 500Mi, 1Gi or 100k, found "
            "\"-1Gi\": it may not be negative");
  EXPECT_EQ(quantity_error("16Ei"),
            "expected a number of bytes such as 500Mi, 1Gi or 100k, found "
            "\"16Ei\": it may be 2^64 - 1 bytes at most");
  for (const std::string_view text :
       {"", "Gi", ".", "1 Gi", "1gi", "1K", "500m", "1e", "1e99", "1e-3", "1e+", "0x10", "1_000",
        "18446744073709551616", "1.1.1", "nan"})
    EXPECT_FALSE(parse_quantity(text)) << text;
}

TEST(Quantity, WritesTheShortestExactForm) {
  EXPECT_EQ(quantity_text(0), "0");
  EXPECT_EQ(quantity_text(1'024), "1Ki");
  EXPECT_EQ(quantity_text(1'000), "1k");
  EXPECT_EQ(quantity_text(1'536), "1536");
  EXPECT_EQ(quantity_text(3ull << 29), "1536Mi");
  EXPECT_EQ(quantity_text(1ull << 60), "1Ei");
  EXPECT_EQ(quantity_text(1'024'000), "1024k");
  EXPECT_EQ(quantity_text(std::numeric_limits<std::uint64_t>::max()), "18446744073709551615");
  std::mt19937_64 random(2);
  for (int i = 0; i < 10'000; ++i) {
    std::uint64_t value = random() >> random() % 64;
    if (i % 3 == 1) value &= ~std::uint64_t{0xfffff};
    if (i % 3 == 2) value -= value % 1'000'000;
    const auto again = parse_quantity(quantity_text(value));
    ASSERT_TRUE(again) << quantity_text(value);
    EXPECT_EQ(*again, value);
  }
}

TEST(Quantity, ReadsAndWritesTimesInUtc) {
  for (const std::string_view text : {"2026-11-22T10:00:00Z", "1970-01-01T00:00:00Z",
                                      "2024-02-29T23:59:59Z", "9999-12-31T23:59:59Z"}) {
    const auto result = parse_timestamp(text);
    ASSERT_TRUE(result) << text;
    EXPECT_EQ(timestamp_text(*result), text);
  }
  EXPECT_EQ(parse_timestamp("2026-11-22T10:00:00Z")->time_since_epoch().count(), 1'795'341'600);
  for (const std::string_view text :
       {"", "2026-11-22", "2026-11-22T10:00:00", "2026-11-22T10:00:00+01:00",
        "2025-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z",
        "2026-11-22T24:00:00Z", "2026-11-22T10:60:00Z", "2026-11-22t10:00:00z",
        "1969-12-31T23:59:59Z", "2026-11-22T10:00:0-Z"})
    EXPECT_FALSE(parse_timestamp(text)) << text;
}

TEST(Quantity, ShowsHostileTextShortAndWithoutControlCharacters) {
  EXPECT_EQ(quoted_for_people("a\n\x1b[2J"), "\"a\\x0a\\x1b[2J\"");
  EXPECT_EQ(quoted_for_people(std::string(100, 'x')), "\"" + std::string(60, 'x') + "...\"");
  EXPECT_EQ(quoted_for_people(std::string(59, 'x') + "µµ"), "\"" + std::string(59, 'x') + "...\"");
}

}  // namespace
}  // namespace pannier
