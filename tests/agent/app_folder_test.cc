#include "sidecar/app_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>

#include "common/files.h"

namespace pannier {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::MatchesRegex;

const WallTime kNow = wall_time(1'800'000'000'000);

class AppFolderTest : public testing::Test {
 protected:
  AppFolderTest() {
    char name[] = "/tmp/pannier-app-XXXXXX";
    root = ::mkdtemp(name);
    config.folders.agent = root + "/agent";
    config.folders.app = root + "/app";
    config.listeners.amqps.addresses = {"127.0.0.9"};
    config.listeners.https.addresses = {"::1"};
  }
  ~AppFolderTest() override { std::filesystem::remove_all(root); }
  AppFolder opened(WallTime now = kNow) {
    auto made = AppFolder::open(config, now);
    if (!made) ADD_FAILURE() << made.error().detail;
    return std::move(made).value();
  }
  std::string of_app(const std::string& name) { return read_file(root + "/app/" + name).value(); }
  mode_t mode_of(const std::string& file) {
    struct stat status {};
    EXPECT_EQ(::stat((root + file).c_str(), &status), 0) << file;
    return status.st_mode & 0777;
  }

  std::string root;
  AgentConfig config;
};

TEST_F(AppFolderTest, GivesTheAppWhatItNeedsAndNoMore) {
  const AppFolder app = opened();
  EXPECT_EQ(of_app("username"), app.user());
  EXPECT_EQ(of_app("password"), app.password());
  EXPECT_THAT(of_app("password"), MatchesRegex("[0-9a-f]{48}"));
  EXPECT_EQ(of_app("amqp-url"), "amqps://app:" + app.password() + "@127.0.0.9:5671/%2F");
  EXPECT_EQ(of_app("http-url"), "https://[::1]:8443");
  for (const char* file : {"/app/ca.crt", "/app/password", "/app/amqp-url", "/app/http-url"})
    EXPECT_EQ(mode_of(file), 0444u) << file;
  for (const char* file : {"/agent/app-ca.key", "/agent/app-password"})
    EXPECT_EQ(mode_of(file), 0600u) << file;
  EXPECT_EQ(mode_of("/agent"), 0700u);
  for (const auto& entry : std::filesystem::directory_iterator(root + "/app"))
    EXPECT_THAT(read_file(entry.path()).value(), testing::Not(HasSubstr("PRIVATE")));
}

TEST_F(AppFolderTest, ChangesNothingForARunningAppWhenTheAgentRestarts) {
  const AppFolder first = opened();
  const std::string ca = of_app("ca.crt");
  const AppFolder second = opened(kNow + std::chrono::hours(24 * 30));
  EXPECT_EQ(second.password(), first.password());
  EXPECT_EQ(of_app("ca.crt"), ca);
}

TEST_F(AppFolderTest, MakesLeavesThatItsCaHasSigned) {
  const AppFolder app = opened();
  const auto leaf = app.make_leaf(kNow);
  ASSERT_TRUE(leaf);
  const Certificate ca = Certificate::from_pem(of_app("ca.crt")).value();
  const Certificate certificate = Certificate::from_pem(leaf->certificate_pem).value();
  EXPECT_TRUE(certificate.is_signed_by(ca));
  EXPECT_TRUE(certificate.matches(PrivateKey::from_pem(leaf->key_pem).value()));
  EXPECT_THAT(certificate.ip_addresses(), Contains("127.0.0.9"));
  EXPECT_THAT(certificate.ip_addresses(), Contains("127.0.0.1"));
  EXPECT_THAT(certificate.dns_names(), Contains("localhost"));
  EXPECT_EQ(leaf->not_after, kNow + std::chrono::hours(24));
  const auto later = app.make_leaf(kNow + std::chrono::hours(12));
  ASSERT_TRUE(later);
  EXPECT_NE(later->key_pem, leaf->key_pem);
}

TEST_F(AppFolderTest, SaysWhichFileIsDamaged) {
  static_cast<void>(opened());
  ASSERT_TRUE(write_file(root + "/agent/app-ca.crt", "nonsense", 0600));
  const auto again = AppFolder::open(config, kNow);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().detail, HasSubstr("app-ca.crt"));
}

}  // namespace
}  // namespace pannier
