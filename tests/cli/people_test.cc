#include "cli/people.h"

#include <gtest/gtest.h>

namespace pannier::cli {
namespace {

TEST(AgeText, IsAsKubectlShowsIt) {
  const auto text = [](long seconds) { return age_text(std::chrono::seconds(seconds)); };
  EXPECT_EQ(text(-5), "0s");
  EXPECT_EQ(text(119), "119s");
  EXPECT_EQ(text(120), "2m");
  EXPECT_EQ(text(200), "3m20s");
  EXPECT_EQ(text(600), "10m");
  EXPECT_EQ(text(3 * 3600 - 1), "179m");
  EXPECT_EQ(text(5 * 3600 + 600), "5h10m");
  EXPECT_EQ(text(30 * 3600), "30h");
  EXPECT_EQ(text(76 * 3600), "3d4h");
  EXPECT_EQ(text(90 * 86400), "90d");
  EXPECT_EQ(text(740L * 86400), "2y10d");
}

TEST(SizeText, HasTwoDigitsOrMore) {
  EXPECT_EQ(size_text(0), "0");
  EXPECT_EQ(size_text(1023), "1023");
  EXPECT_EQ(size_text(1024), "1Ki");
  EXPECT_EQ(size_text(1536), "1.5Ki");
  EXPECT_EQ(size_text(10 << 10), "10Ki");
  EXPECT_EQ(size_text((1 << 20) - 1), "1Mi");
  EXPECT_EQ(size_text(512u << 20), "512Mi");
  EXPECT_EQ(size_text(~0ull), "16Ei");
}

TEST(Harmless, NothingThatDrivesATerminalIsLeft) {
  EXPECT_EQ(harmless("plain, h\xc3\xa9, \xe4\xb8\xad, \xf0\x9f\x98\x80"),
            "plain, h\xc3\xa9, \xe4\xb8\xad, \xf0\x9f\x98\x80");
  EXPECT_EQ(harmless("\x1b[2J\x1b]0;x\x07"), "\\x1b[2J\\x1b]0;x\\x07");
  EXPECT_EQ(harmless("a\nb\rc\td"), "a\\nb\\rc\\td");
  EXPECT_EQ(harmless(std::string_view("\0\x7f", 2)), "\\x00\\x7f");
  EXPECT_EQ(harmless("\xc2\x9b"
                     "2J"),
            "\\u{9b}2J")
      << "the one-byte form of ESC [";
  EXPECT_EQ(harmless("\xe2\x80\xae"
                     "evil"),
            "\\u{202e}evil")
      << "right to left";
  EXPECT_EQ(harmless("a\xe2\x80\x8b"
                     "b\xef\xbb\xbf"),
            "a\\u{200b}b\\u{feff}")
      << "invisible";
  EXPECT_EQ(harmless("\xff\xc3(\xe4\xb8"), "\\xff\\xc3(\\xe4\\xb8") << "no UTF-8";
}

TEST(WidthOf, CountsColumnsAndNotBytes) {
  EXPECT_EQ(width_of(""), 0u);
  EXPECT_EQ(width_of("abc"), 3u);
  EXPECT_EQ(width_of("h\xc3\xa9"), 2u);
  EXPECT_EQ(width_of("\xe4\xb8\xad\xe6\x96\x87"), 4u);
  EXPECT_EQ(width_of("e\xcc\x81"), 1u) << "a combining accent";
}

TEST(Cut, NeverGoesBeyondTheWidth) {
  EXPECT_EQ(cut("abcdef", 6), "abcdef");
  EXPECT_EQ(cut("abcdefg", 6), "abc...");
  EXPECT_EQ(cut("\xe4\xb8\xad\xe6\x96\x87\xe4\xb8\xad\xe6\x96\x87", 6), "\xe4\xb8\xad...");
}

}  // namespace
}  // namespace pannier::cli
