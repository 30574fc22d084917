#include "operator/authority.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/content_hash.h"

namespace pannier {
namespace {

using namespace std::chrono_literals;
using Step = CaRotation::Step;
using testing::HasSubstr;

const WallTime kNow{std::chrono::seconds{1'790'000'000}};
const CaPeriods kPeriods{90 * 24h, 24h, 24h, 25h};
constexpr const char* kUri = "spiffe://td/ns/shop/sa/till/pod/uid-1";

CaRotation made() { return *CaRotation::make("td", kPeriods, kNow); }

Certificate leaf_of(const CaRotation& ca, WallTime now) {
  return *ca.sign(PrivateKey::make()->public_key(), kUri, kPeriods, now);
}

bool is_trusted(const Certificate& leaf, const CaRotation& ca) {
  const auto roots = Certificate::all_from_pem(ca.trust_bundle());
  for (const Certificate& root : *roots)
    if (leaf.is_signed_by(root)) return true;
  return false;
}

TEST(CaRotation, ReadsBackWhatItWrites) {
  CaRotation ca = made();
  ASSERT_TRUE(*ca.advance(kPeriods, kNow, false, true));
  const auto text = ca.to_text();
  ASSERT_TRUE(text);
  const auto read = CaRotation::parse(*text);
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read->to_text(), *text);
  EXPECT_EQ(read->step(), Step::announced);
  EXPECT_EQ(read->trust_bundle(), ca.trust_bundle());
  EXPECT_EQ(read->trust_domain(), "td");
}

TEST(CaRotation, RefusesATextThatItCannotRead) {
  const std::string text = *made().to_text();
  const std::string other = *made().to_text();
  for (const std::string& bad : {std::string(), text.substr(0, text.size() / 2),
                                 "schemaVersion: 9\n" + text.substr(text.find('\n') + 1)})
    EXPECT_FALSE(CaRotation::parse(bad)) << bad;
  // Another CA's key.
  const auto key_at = text.find("  key: ");
  const auto mixed =
      CaRotation::parse(text.substr(0, key_at) + other.substr(other.find("  key: ")));
  ASSERT_FALSE(mixed);
  EXPECT_EQ(mixed.error().code, Errc::bad_config);
  EXPECT_THAT(mixed.error().detail, HasSubstr("not the certificate's"));
}

TEST(CaRotation, GoesThroughItsStepsWithoutALeafThatNobodyTrusts) {
  CaRotation ca = made();
  const Certificate old = leaf_of(ca, kNow);
  EXPECT_FALSE(*ca.advance(kPeriods, kNow + 59 * 24h, false));
  const WallTime announced = kNow + 60 * 24h + 5min;
  ASSERT_TRUE(*ca.advance(kPeriods, announced, false));
  EXPECT_EQ(ca.step(), Step::announced);
  EXPECT_TRUE(is_trusted(old, ca));
  EXPECT_TRUE(is_trusted(leaf_of(ca, announced), made()) == false);
  EXPECT_FALSE(*ca.advance(kPeriods, announced + 23h, false));

  const CaRotation before_switch = ca;
  ASSERT_TRUE(*ca.advance(kPeriods, announced + 24h, false));
  EXPECT_EQ(ca.step(), Step::switched);
  const Certificate fresh = leaf_of(ca, announced + 24h);
  EXPECT_TRUE(is_trusted(fresh, before_switch));  // by those who have not heard of the switch
  EXPECT_TRUE(is_trusted(old, ca));
  EXPECT_FALSE(*ca.advance(kPeriods, announced + 48h, false));

  ASSERT_TRUE(*ca.advance(kPeriods, announced + 49h, false));
  EXPECT_EQ(ca.step(), Step::stable);
  EXPECT_TRUE(is_trusted(fresh, ca));
  EXPECT_FALSE(is_trusted(old, ca));
  EXPECT_EQ(ca.bundle_hash(), content_hash(ca.trust_bundle()));
}

TEST(CaRotation, WaitsForWhoeverHasNotFollowed) {
  CaRotation ca = made();
  ASSERT_TRUE(*ca.advance(kPeriods, kNow, true, true));  // an announcement harms nobody
  EXPECT_FALSE(*ca.advance(kPeriods, kNow + 72h, true));
  ASSERT_TRUE(*ca.advance(kPeriods, kNow + 72h, false));
  EXPECT_FALSE(*ca.advance(kPeriods, kNow + 144h, true));
  ASSERT_TRUE(*ca.advance(kPeriods, kNow + 144h, false));
}

TEST(CaRotation, WaitsForNobodyOnceTheOldCaHasExpired) {
  CaRotation ca = made();
  const WallTime late = kNow + 91 * 24h;
  ASSERT_TRUE(*ca.advance(kPeriods, late, true));
  EXPECT_EQ(ca.step(), Step::switched);
  const auto leaf = ca.sign(PrivateKey::make()->public_key(), kUri, kPeriods, late);
  ASSERT_TRUE(leaf) << leaf.error().detail;
  ASSERT_TRUE(*ca.advance(kPeriods, late, true));
  EXPECT_EQ(ca.step(), Step::stable);
  EXPECT_TRUE(is_trusted(*leaf, ca));
}

TEST(CaRotation, RenewsALeafAtHalfOfItsLifeOrWhenAnotherCaSigns) {
  CaRotation ca = made();
  const Certificate leaf = leaf_of(ca, kNow);
  EXPECT_EQ(leaf.spiffe_uri(), kUri);
  EXPECT_FALSE(should_renew(leaf, ca, kNow + 11h + 59min));
  EXPECT_TRUE(should_renew(leaf, ca, kNow + 12h));
  ASSERT_TRUE(*ca.advance(kPeriods, kNow, false, true));
  EXPECT_FALSE(should_renew(leaf, ca, kNow));
  ASSERT_TRUE(*ca.advance(kPeriods, kNow + 24h, false));
  EXPECT_TRUE(should_renew(leaf, ca, kNow));
}

TEST(CaRotation, RenewsAShortLeafNotAtOnce) {
  const CaRotation ca = made();
  CaPeriods periods = kPeriods;
  periods.leaf_validity = 20s;
  const auto leaf = ca.sign(PrivateKey::make()->public_key(), kUri, periods, kNow);
  ASSERT_TRUE(leaf);
  EXPECT_FALSE(should_renew(*leaf, ca, kNow + 9s));
  EXPECT_TRUE(should_renew(*leaf, ca, kNow + 10s));
}

}  // namespace
}  // namespace pannier
