#include "common/base64.h"

#include <gtest/gtest.h>

namespace pannier {
namespace {

TEST(Base64, WritesAndReadsTheExamplesOfTheStandard) {
  const std::pair<std::string, std::string> examples[] = {{"", ""},
                                                          {"f", "Zg=="},
                                                          {"fo", "Zm8="},
                                                          {"foo", "Zm9v"},
                                                          {"foob", "Zm9vYg=="},
                                                          {"fooba", "Zm9vYmE="},
                                                          {"foobar", "Zm9vYmFy"}};
  for (const auto& [bytes, text] : examples) {
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, ReadsEveryByteBack) {
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(from_base64(to_base64(bytes)), bytes);
}

TEST(Base64, NeedsPaddingUnlessToldOtherwise) {
  EXPECT_EQ(from_base64("Zg"), std::nullopt);
  EXPECT_EQ(from_base64("Zg", Padding::optional), "f");
  EXPECT_EQ(from_base64("Zg==", Padding::optional), "f");
}

TEST(Base64, RefusesWhatNoBytesAreWrittenAs) {
  for (const char* text : {"Zh==", "Z", "Z===", "Zg=", "Zg= =", "Z-8=", "Zm8=Zm8=", "Zm9\n"}) {
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
    EXPECT_EQ(from_base64(text, Padding::optional), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace pannier
