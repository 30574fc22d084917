#include "common/spiffe.h"

#include <gtest/gtest.h>

namespace pannier {
namespace {

constexpr std::string_view kGood =
    "spiffe://a1b2.pannier.local/ns/shop/sa/cart.v2/pod/3f2b8c1e-0000-4000-8000-000000000001";

TEST(SpiffeId, ComesBackFromItsUri) {
  const auto id = parse_spiffe_id(kGood);
  ASSERT_TRUE(id) << id.error().detail;
  const SpiffeId expected{"a1b2.pannier.local", "shop", "cart.v2",
                          "3f2b8c1e-0000-4000-8000-000000000001"};
  EXPECT_EQ(*id, expected);
  EXPECT_EQ(*to_uri(*id), kGood);
}

TEST(SpiffeId, HasOneTextOnly) {
  const std::string long_name(64, 'a');
  const std::string cases[] = {
      "",
      "spiffe://",
      "spiffe://td",
      "spiffe://td/ns/n/sa/s/pod/",
      "spiffe://td/ns/n/sa//pod/u",
      "spiffe://td/ns//sa/s/pod/u",
      "spiffe:///ns/n/sa/s/pod/u",
      "SPIFFE://td/ns/n/sa/s/pod/u",
      "https://td/ns/n/sa/s/pod/u",
      "spiffe:/td/ns/n/sa/s/pod/u",
      " spiffe://td/ns/n/sa/s/pod/u",
      "spiffe://TD/ns/n/sa/s/pod/u",
      "spiffe://td:8443/ns/n/sa/s/pod/u",
      "spiffe://user@td/ns/n/sa/s/pod/u",
      "spiffe://td./ns/n/sa/s/pod/u",
      "spiffe://t..d/ns/n/sa/s/pod/u",
      "spiffe://td/NS/n/sa/s/pod/u",
      "spiffe://td/sa/s/ns/n/pod/u",
      "spiffe://td/ns/n/sa/s",
      "spiffe://td/ns/n/sa/s/pod",
      "spiffe://td//ns/n/sa/s/pod/u",
      "spiffe://td/ns/n/sa/s/pod/u/",
      "spiffe://td/ns/n/sa/s/pod/u/x",
      "spiffe://td/ns/n/sa/s/pod/u?x=1",
      "spiffe://td/ns/n/sa/s/pod/u#x",
      "spiffe://td/ns/n/sa/s/pod/u ",
      "spiffe://td/ns/n/sa/s/pod/%75",
      "spiffe://td/ns/n.m/sa/s/pod/u",
      "spiffe://td/ns/sh%6Fp/sa/s/pod/u",
      "spiffe://td/ns/N/sa/s/pod/u",
      "spiffe://td/ns/n/sa/s/pod/u\n",
      "spiffe://td/ns/-n/sa/s/pod/u",
      "spiffe://td/ns/n/sa/s_s/pod/u",
      "spiffe://td/ns/n/sa/S/pod/u",
      "spiffe://td/ns/../sa/s/pod/u",
      "spiffe://td/ns/n/sa/s/pod/..",
      "spiffe://td/ns/n/sa/s/pod/a_b",
      "spiffe://td/ns/" + long_name + "/sa/s/pod/u",
      "spiffe://td/ns/n/sa/s/pod/" + long_name + "a",
      "spiffe://" + std::string(256, 'a') + "/ns/n/sa/s/pod/u",
      "spiffe://td/ns/n/sa/" + std::string(254, 'a') + "/pod/u",
      std::string("spiffe://td/ns/n/sa/s/pod/u\0", 28),
  };
  ASSERT_TRUE(parse_spiffe_id("spiffe://td/ns/n/sa/s/pod/u"));
  for (const std::string& uri : cases) {
    const auto id = parse_spiffe_id(uri);
    ASSERT_FALSE(id) << uri;
    EXPECT_EQ(id.error().code, Errc::bad_argument);
  }
  for (std::size_t size = 0; size + 36 < kGood.size(); ++size)
    EXPECT_FALSE(parse_spiffe_id(kGood.substr(0, size))) << size;
}

TEST(SpiffeId, RefusesToWriteWhatItWouldNotRead) {
  EXPECT_FALSE(to_uri({"td", "n/sa/admin", "s", "u"}));
  EXPECT_FALSE(to_uri({"td", "n", "s", "u/x"}));
  EXPECT_FALSE(to_uri({"", "n", "s", "u"}));
  EXPECT_FALSE(to_uri({"td", "n", "", "u"}));
}

}  // namespace
}  // namespace pannier
