#include "sidecar/net/tls_reload.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/content_hash.h"
#include "tests/net/tls_pair.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;
using testing::Not;

class TlsReloadTest : public testing::Test {
 protected:
  TlsReloadTest() {
    std::filesystem::create_directories(folder_);
    put(office_, papers_);
  }
  ~TlsReloadTest() override { std::filesystem::remove_all(folder_); }

  std::string file(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(file(name), std::ios::binary | std::ios::trunc) << text;
  }
  void put(const Office& office, const Papers& papers) const {
    write("tls.crt", papers.chain);
    write("tls.key", papers.key);
    write("ca.crt", office.root());
  }
  Result<std::unique_ptr<TlsReload>> open() const {
    return TlsReload::open({file("tls.crt"), file("tls.key"), file("ca.crt")},
                           {.client_certificate = ClientCertificate::optional, .clock = &clock_});
  }
  // The certificate that a new connection is shown.
  std::string shown_by(const TlsReload& reload, const std::string& roots) const {
    Pair pair(reload.current(), client(roots), {.host = "localhost"});
    pair.run();
    return pair.client.stream.peer_certificate_fingerprint();
  }
  std::shared_ptr<const TlsContext> client(const std::string& roots) const {
    return context_of({.role = TlsRole::client, .roots = roots, .clock = &clock_});
  }
  static std::string fingerprint(const Papers& papers) {
    return Certificate::all_from_pem(papers.chain)->front().fingerprint();
  }
  // The error of a reload after which the first set is still in use.
  std::string refused(TlsReload& reload) const {
    const auto loaded = reload.reload();
    EXPECT_EQ(shown_by(reload, office_.root()), fingerprint(papers_));
    return loaded ? "it was taken" : loaded.error().detail;
  }

  FakeClock clock_;
  const Office office_{clock_};
  const Papers papers_ = office_.server();
  const std::string folder_ = testing::TempDir() + "tls_reload_" + random_hex(8);
};

TEST_F(TlsReloadTest, TakesANewSetAndKeepsOldConnectionsAlive) {
  const auto reload = open();
  ASSERT_TRUE(reload) << reload.error().detail;
  EXPECT_EQ((*reload)->not_after(), office_.now() + 24h);
  Pair old((*reload)->current(), client(office_.root()), {.host = "localhost"});
  old.run();
  Pair halfway((*reload)->current(), client(office_.root()), {.host = "localhost"});
  Pair::carry(halfway.client, halfway.server);

  clock_.advance(12h);
  const Office next(clock_, "next");
  const Papers papers = next.server();
  put(next, papers);
  EXPECT_TRUE(*(*reload)->reload());
  EXPECT_EQ((*reload)->not_after(), next.now() + 24h);
  EXPECT_EQ(shown_by(**reload, next.root()), fingerprint(papers));

  old.client.say("still");
  old.server.say("here");
  old.run();
  EXPECT_EQ(old.server.got, "still");
  EXPECT_EQ(old.client.got, "here");
  halfway.run();
  EXPECT_TRUE(halfway.is_established());
  EXPECT_EQ(halfway.client.stream.peer_certificate_fingerprint(), fingerprint(papers_));
}

TEST_F(TlsReloadTest, KeepsTheContextWhenNothingHasChanged) {
  const auto reload = open();
  ASSERT_TRUE(reload);
  const auto context = (*reload)->current();
  EXPECT_FALSE(*(*reload)->reload());
  EXPECT_EQ((*reload)->current(), context);
  const std::string roots = office_.root() + Office(clock_, "next").root();
  write("ca.crt", roots);
  EXPECT_EQ((*reload)->trust_bundle(), content_hash(office_.root()));
  EXPECT_TRUE(*(*reload)->reload());
  EXPECT_NE((*reload)->current(), context);
  EXPECT_EQ((*reload)->trust_bundle(), content_hash(roots));
}

TEST_F(TlsReloadTest, KeepsTheOldSetUntilARotationIsWhole) {
  const auto reload = open();
  ASSERT_TRUE(reload);
  const Papers next = office_.server();
  write("tls.crt", next.chain);
  EXPECT_THAT(refused(**reload), HasSubstr("not the certificate's"));
  write("tls.key", next.key.substr(0, next.key.size() / 2));
  EXPECT_THAT(refused(**reload), HasSubstr("private key"));
  write("tls.key", next.key);
  EXPECT_TRUE(*(*reload)->reload());
  EXPECT_EQ(shown_by(**reload, office_.root()), fingerprint(next));
}

TEST_F(TlsReloadTest, KeepsTheOldSetWhenTheNewOneIsBroken) {
  const auto reload = open();
  ASSERT_TRUE(reload);
  write("tls.crt", "not a certificate");
  EXPECT_THAT(refused(**reload), HasSubstr("tls.crt: certificate: there is no PEM block"));
  write("tls.crt", papers_.chain.substr(0, 300));
  EXPECT_THAT(refused(**reload), HasSubstr("broken"));
  std::filesystem::remove(file("tls.crt"));
  EXPECT_THAT(refused(**reload), HasSubstr("No such file"));
  write("tls.crt", papers_.chain);
  write("ca.crt", "");
  EXPECT_THAT(refused(**reload), HasSubstr("ca.crt: certificate: there is no PEM block"));
  write("ca.crt", papers_.chain);
  EXPECT_THAT(refused(**reload), HasSubstr("not a CA's"));
  write("ca.crt", std::string((1 << 20) + 1, '\n'));
  EXPECT_THAT(refused(**reload), HasSubstr("1 MiB"));
  put(office_, papers_);
  EXPECT_FALSE(*(*reload)->reload());
}

TEST_F(TlsReloadTest, KeepsTheOldSetWhenTheNewOneIsNotOfToday) {
  const auto reload = open();
  ASSERT_TRUE(reload);
  const LeafRequest leaf{.dns = {"localhost"}, .is_server = true, .validity = 1h};
  put(office_, office_.issue_at(leaf, office_.now() + 2h));
  EXPECT_THAT(refused(**reload), HasSubstr("not valid yet"));
  clock_.advance(5h);
  put(office_, office_.issue_at(leaf, office_.now() - 3h));
  EXPECT_THAT(refused(**reload), HasSubstr("expired"));
  FakeClock later;
  later.advance(1000h);
  put(Office(later), office_.server());
  EXPECT_THAT(refused(**reload), HasSubstr("every CA"));
}

TEST_F(TlsReloadTest, ShowsNoneOfTheKeyInAnError) {
  std::string key = papers_.key;
  key.insert(100, "!");
  write("tls.key", key);
  const auto reload = open();
  ASSERT_FALSE(reload);
  EXPECT_THAT(reload.error().detail, Not(HasSubstr(papers_.key.substr(30, 8))));
  EXPECT_THAT(reload.error().detail, HasSubstr("tls.key"));
}

}  // namespace
}  // namespace pannier::net
