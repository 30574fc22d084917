#include "sidecar/net/output.h"

#include <gtest/gtest.h>

#include <string>

namespace pannier::net {
namespace {

std::string text_of(const Output& output) {
  std::vector<ByteView> views;
  output.gather(views);
  std::string text;
  for (const ByteView view : views) text += as_text(view);
  return text;
}

TEST(Output, KeepsTheOrderOfSmallAndLargePieces) {
  const std::string large(Output::kCopyMax + 1, 'L');
  Output output;
  output.put(as_bytes("a"));
  output.put(Slice::copy_of(large));
  output.put(Slice::copy_of(large));
  output.put(Slice::copy_of("b"));
  output.put(as_bytes("c"));
  EXPECT_EQ(text_of(output), "a" + large + large + "bc");
  EXPECT_EQ(output.size(), text_of(output).size());
  output.clear();
  EXPECT_TRUE(output.empty());
  EXPECT_EQ(text_of(output), "");
}

TEST(Output, DoesNotCopyALargeSlice) {
  const Slice large = Slice::copy_of(std::string(Output::kCopyMax + 1, 'L'));
  Output output;
  output.put(large);
  std::vector<ByteView> views;
  output.gather(views);
  ASSERT_EQ(views.size(), 1u);
  EXPECT_EQ(views.front().data(), large.view().data());
}

TEST(Output, TakesAnotherBehindItsOwn) {
  const std::string large(Output::kCopyMax + 1, 'L');
  Output first, second;
  first.put(as_bytes("1"));
  first.put(Slice::copy_of(large));
  second.put(as_bytes("2"));
  second.put(Slice::copy_of(large));
  second.put(as_bytes("3"));
  first.put(std::move(second));
  EXPECT_EQ(text_of(first), "1" + large + "2" + large + "3");
  EXPECT_TRUE(second.empty());
}

}  // namespace
}  // namespace pannier::net
