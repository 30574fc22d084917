#include "common/buffer.h"

#include <gtest/gtest.h>

namespace pannier {
namespace {

TEST(Slice, CopiesWhatItIsMadeFrom) {
  std::string text = "hello";
  const Slice slice = Slice::copy_of(text);
  text = "jello";
  EXPECT_EQ(slice.text(), "hello");
  EXPECT_EQ(slice.size(), 5u);
}

TEST(Slice, SharesItsBytesWithItsParts) {
  const Slice whole = Slice::copy_of("hello world");
  const Slice world = whole.part(6, 5);
  const Slice letter = world.part(1, 1);
  EXPECT_EQ(world.text(), "world");
  EXPECT_EQ(letter.text(), "o");
  EXPECT_EQ(letter.view().data(), whole.view().data() + 7) << "a part copies nothing";
}

TEST(Slice, KeepsItsBytesForAsLongAsOnePartLives) {
  auto owner = std::make_shared<std::byte[]>(4);
  owner[2] = std::byte{42};
  const std::weak_ptr<std::byte[]> watched = owner;
  Slice last;
  {
    const Slice whole(std::move(owner), 0, 4);
    last = whole.part(2, 1);
  }
  ASSERT_FALSE(watched.expired());
  EXPECT_EQ(last.view()[0], std::byte{42});
  last = {};
  EXPECT_TRUE(watched.expired()) << "the last owner is gone, so must the bytes be";
}

TEST(Slice, IsEmptyWithoutAnAllocation) {
  const Slice none = Slice::copy_of("");
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.view().data(), nullptr);
  EXPECT_TRUE(none.part(0, 0).empty());
}

}  // namespace
}  // namespace pannier
