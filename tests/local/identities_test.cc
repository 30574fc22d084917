#include "operator/local/identities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "common/content_hash.h"
#include "common/files.h"
#include "common/random.h"
#include "tests/support/fake_clock.h"

namespace pannier::local {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kUid = "11111111-2222-4333-8444-555555555555";

class IdentitiesTest : public testing::Test {
 protected:
  IdentitiesTest() {
    std::filesystem::create_directories(places_.state());
    open();
  }
  ~IdentitiesTest() override { std::filesystem::remove_all(root_); }

  void open() {
    auto opened = Identities::open(places_, periods_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    identities_ = std::move(*opened);
  }
  std::vector<std::string> keep() {
    auto kept = identities_->keep({pod_});
    EXPECT_TRUE(kept) << (kept ? "" : kept.error().detail);
    return kept ? *kept : std::vector<std::string>();
  }
  std::string file(const std::string& name) const {
    const auto text = read_file(places_.pod(kUid) + "/" + name);
    return text ? *text : "none";
  }
  Certificate leaf() const { return *Certificate::from_pem(file("tls.crt")); }
  // The agent has read its files.
  void agent_reads() {
    pod_.trust_bundle_reported = content_hash(file("ca.crt"));
    pod_.certificate_expires_reported = leaf().not_after();
  }

  const std::string root_ = testing::TempDir() + "identities_" + random_hex(8);
  const Places places_{root_};
  const CaPeriods periods_{90 * 24h, 24h, 10s, 10s};
  FakeClock clock_;
  Identified pod_{kUid, "shop", "till", true, {}, {}};
  std::unique_ptr<Identities> identities_;
};

TEST_F(IdentitiesTest, GivesAPodAKeyACertificateAndWhomToTrust) {
  EXPECT_FALSE(identities_->has_identity(kUid));
  keep();
  EXPECT_TRUE(identities_->has_identity(kUid));
  EXPECT_TRUE(leaf().matches(*PrivateKey::from_pem(file("tls.key"))));
  EXPECT_EQ(leaf().spiffe_uri(),
            "spiffe://" + identities_->trust_domain() + "/ns/shop/sa/till/pod/" + kUid);
  EXPECT_TRUE(leaf().is_signed_by(*Certificate::from_pem(file("ca.crt"))));
  struct stat key {};
  ASSERT_EQ(::stat((places_.pod(kUid) + "/tls.key").c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);
  ASSERT_EQ(::stat(places_.ca().c_str(), &key), 0);
  EXPECT_EQ(key.st_mode & 0777, 0600u);
}

TEST_F(IdentitiesTest, KeepsThemOverARestart) {
  keep();
  const std::string before = file("tls.crt");
  const std::string trust_domain = identities_->trust_domain();
  open();
  keep();
  EXPECT_EQ(file("tls.crt"), before);
  EXPECT_EQ(identities_->trust_domain(), trust_domain);
}

TEST_F(IdentitiesTest, RenewsAtHalfOfALifeWithTheSameKey) {
  keep();
  const std::string before = file("tls.crt"), key = file("tls.key");
  clock_.advance(11h);
  keep();
  EXPECT_EQ(file("tls.crt"), before);
  clock_.advance(2h);
  keep();
  EXPECT_NE(file("tls.crt"), before);
  EXPECT_EQ(file("tls.key"), key);
}

TEST_F(IdentitiesTest, MovesTheCaOnOnlyWhenEveryAgentHasFollowed) {
  keep();
  agent_reads();
  identities_->ask_for_rotation();
  EXPECT_THAT(keep(), Contains(HasSubstr("announced")));
  clock_.advance(1min);
  EXPECT_THAT(keep(), IsEmpty());  // the agent has not read the bundle
  agent_reads();
  EXPECT_THAT(keep(), Contains(HasSubstr("signs from now on")));
  clock_.advance(1min);
  EXPECT_THAT(keep(), IsEmpty());  // it still shows the old leaf
  open();
  EXPECT_THAT(keep(), IsEmpty());
  agent_reads();
  EXPECT_THAT(keep(), Contains(HasSubstr("complete")));
  EXPECT_EQ(Certificate::all_from_pem(file("ca.crt"))->size(), 1u);
  EXPECT_TRUE(leaf().is_signed_by(*Certificate::from_pem(file("ca.crt"))));
}

TEST_F(IdentitiesTest, NeverReplacesACaThatItCannotRead) {
  std::ofstream(places_.ca(), std::ios::trunc) << "nonsense";
  const auto opened = Identities::open(places_, periods_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, Errc::bad_config);
  EXPECT_THAT(opened.error().detail, HasSubstr(places_.ca()));
  EXPECT_EQ(*read_file(places_.ca()), "nonsense");
}

TEST_F(IdentitiesTest, IsTheOperatorToAgents) {
  const OperatorIdentity own = identities_->identity();
  const auto leaf = Certificate::from_pem(own.certificate_pem);
  ASSERT_TRUE(leaf);
  EXPECT_THAT(*leaf->spiffe_uri(), HasSubstr("/ns/pannier/sa/pannier-operator/pod/"));
  clock_.advance(13h);
  keep();
  EXPECT_NE(identities_->identity().certificate_pem, own.certificate_pem);
}

// As if it could not be read once: a certificate never lies beside a key that is not its own.
TEST_F(IdentitiesTest, ReplacesTheCertificateTogetherWithALostKey) {
  keep();
  agent_reads();
  std::filesystem::remove(places_.pod(kUid) + "/tls.key");
  identities_->ask_for_rotation();
  EXPECT_THAT(keep(), Contains(HasSubstr("announced")));
  const auto key = PrivateKey::from_pem(file("tls.key"));
  ASSERT_TRUE(key);
  EXPECT_TRUE(leaf().matches(*key));
}

TEST_F(IdentitiesTest, DoesNotReplaceAKeyThatCannotBeReadNow) {
  keep();
  agent_reads();
  const std::string key = places_.pod(kUid) + "/tls.key";
  std::filesystem::rename(key, key + ".kept");
  std::filesystem::create_symlink("tls.key", key);  // reading it fails, whoever reads
  identities_->ask_for_rotation();
  EXPECT_FALSE(identities_->keep({pod_}));
  EXPECT_TRUE(std::filesystem::is_symlink(key));
  std::filesystem::remove(key);
  std::filesystem::rename(key + ".kept", key);
  keep();
  EXPECT_TRUE(leaf().matches(*PrivateKey::from_pem(file("tls.key"))));
}

}  // namespace
}  // namespace pannier::local
