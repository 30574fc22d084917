#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/net/tls_pair.h"

namespace pannier::net {
namespace {

using testing::HasSubstr;

class TlsIdentityTest : public testing::Test {
 protected:
  std::shared_ptr<const TlsContext> server(const Papers& papers,
                                           ClientCertificate asks = ClientCertificate::none) const {
    return context_of({.chain = papers.chain,
                       .key = papers.key,
                       .roots = root_,
                       .client_certificate = asks,
                       .version_max = version_,
                       .clock = &clock_});
  }
  std::shared_ptr<const TlsContext> client(const std::string& roots, const Papers& papers = {}) {
    return context_of({.role = TlsRole::client,
                       .chain = papers.chain,
                       .key = papers.key,
                       .roots = roots,
                       .version_max = version_,
                       .clock = &clock_});
  }
  // Why the client refused the server; its alert must have reached the server.
  std::string refusal(const Papers& papers, const TlsServer& to) {
    Pair pair(server(papers), client(root_), to);
    pair.run();
    EXPECT_FALSE(pair.client.stream.is_established());
    if (!pair.client.error || !pair.server.error) return "nobody refused";
    EXPECT_EQ(pair.client.error->code, Errc::not_authenticated);
    EXPECT_EQ(pair.server.error->code, Errc::not_authenticated);
    EXPECT_THAT(pair.server.error->detail, HasSubstr("refuses our certificate"));
    EXPECT_EQ(pair.client.stream.peer_uri(), "");
    EXPECT_EQ(pair.client.stream.peer_certificate_fingerprint(), "");
    return pair.client.error->detail;
  }
  bool accepts(const Papers& papers, const TlsServer& to) {
    Pair pair(server(papers), client(root_), to);
    pair.run();
    return pair.is_established();
  }
  // Why the server refused the client; its alert must have reached the client.
  std::string client_refusal(ClientCertificate asks, const Papers& papers) {
    Pair pair(server(office_.server(), asks), client(root_, papers), {.host = "localhost"});
    pair.run();
    EXPECT_FALSE(pair.server.stream.is_established());
    if (!pair.client.error || !pair.server.error) return "nobody refused";
    EXPECT_EQ(pair.server.error->code, Errc::not_authenticated);
    EXPECT_NE(pair.client.error->code, Errc::closed);
    EXPECT_EQ(pair.server.stream.peer_uri(), "");
    return pair.server.error->detail;
  }
  template <typename F>
  void in_both_versions(F test) {
    for (const TlsVersion version : {TlsVersion::tls12, TlsVersion::tls13}) {
      version_ = version;
      test();
    }
  }

  TlsVersion version_ = TlsVersion::tls13;
  const FakeClock clock_;
  const Office office_{clock_};
  const Office stranger_{clock_, "stranger"};
  const Office namesake_{clock_};
  const std::string root_ = office_.root();
};

TEST_F(TlsIdentityTest, IsTheNameOrAddressThatTheClientMeant) {
  const Papers papers = office_.server("agent.example.org");
  EXPECT_TRUE(accepts(papers, {.host = "agent.example.org"}));
  EXPECT_TRUE(accepts(papers, {.host = "127.0.0.1"}));
  EXPECT_TRUE(accepts(papers, {.host = "::1"}));
  in_both_versions([&] {
    EXPECT_THAT(refusal(papers, {.host = "other.example.org"}), HasSubstr("wrong identity"));
    EXPECT_THAT(refusal(papers, {.host = "127.0.0.2"}), HasSubstr("wrong identity"));
  });
  EXPECT_THAT(refusal(papers, {.host = "example.org"}), HasSubstr("wrong identity"));
  EXPECT_THAT(refusal(papers, {}), HasSubstr("wrong identity"));
}

TEST_F(TlsIdentityTest, IsNeverTheCommonName) {
  const Papers papers = office_.issue_at(
      {.common_name = "localhost", .is_server = true, .validity = 1h}, office_.now());
  EXPECT_THAT(refusal(papers, {.host = "localhost"}), HasSubstr("wrong identity"));
}

TEST_F(TlsIdentityTest, OfAPodIsItsUriExactly) {
  const Papers papers = office_.peer("u1");
  EXPECT_TRUE(accepts(papers, {.spiffe_uri = Office::uri("u1")}));
  in_both_versions([&] {
    EXPECT_THAT(refusal(papers, {.spiffe_uri = Office::uri("u2")}),
                HasSubstr("it is not " + Office::uri("u2")));
  });
  EXPECT_THAT(refusal(papers, {.spiffe_uri = Office::uri("u")}), HasSubstr("wrong identity"));
  EXPECT_THAT(refusal(papers, {.spiffe_uri = Office::uri("u11")}), HasSubstr("wrong identity"));
  EXPECT_THAT(refusal(papers, {.host = "localhost"}), HasSubstr("wrong identity"));
  EXPECT_THAT(refusal(office_.server(), {.spiffe_uri = Office::uri("u1")}),
              HasSubstr("wrong identity"));
  const Papers two = office_.issue_at(
      {.uris = {Office::uri("u1"), Office::uri("u2")}, .is_server = true, .validity = 1h},
      office_.now());
  EXPECT_THAT(refusal(two, {.spiffe_uri = Office::uri("u1")}), HasSubstr("wrong identity"));
}

TEST_F(TlsIdentityTest, IsRefusedFromAnUnknownIssuer) {
  in_both_versions([&] {
    EXPECT_THAT(refusal(stranger_.server(), {.host = "localhost"}), HasSubstr("unknown issuer"));
    EXPECT_THAT(refusal(namesake_.server(), {.host = "localhost"}), HasSubstr("issuer"));
  });
}

TEST_F(TlsIdentityTest, IsRefusedOutsideOfItsDates) {
  const LeafRequest leaf{.dns = {"localhost"}, .is_server = true, .validity = 1h};
  FakeClock earlier;
  earlier.jump_wall(-100h);
  const Office old_office(earlier);
  const Papers expired = old_office.issue_at(leaf, old_office.now());
  const Papers early = office_.issue_at(leaf, office_.now() + 1h);
  in_both_versions([&] {
    Pair pair(server(expired), client(old_office.root()), {.host = "localhost"});
    pair.run();
    ASSERT_TRUE(pair.client.error);
    EXPECT_EQ(pair.client.error->code, Errc::not_authenticated);
    EXPECT_THAT(pair.client.error->detail, HasSubstr("expired"));
    EXPECT_THAT(refusal(early, {.host = "localhost"}), HasSubstr("not valid yet"));
  });
}

TEST_F(TlsIdentityTest, IsRefusedForAnotherUse) {
  const Papers client_only =
      office_.issue_at({.dns = {"localhost"}, .is_client = true, .validity = 1h}, office_.now());
  in_both_versions([&] {
    EXPECT_THAT(refusal(client_only, {.host = "localhost"}), HasSubstr("extended key usage"));
    EXPECT_THAT(client_refusal(ClientCertificate::required, office_.server()),
                HasSubstr("extended key usage"));
  });
}

TEST_F(TlsIdentityTest, IsMutualBetweenPods) {
  in_both_versions([&] {
    const Papers to = office_.peer("u1");
    const Papers from = office_.peer("u2");
    Pair pair(server(to, ClientCertificate::required), client(root_, from),
              {.spiffe_uri = Office::uri("u1")});
    EXPECT_EQ(pair.server.stream.peer_uri(), "");
    pair.run();
    ASSERT_TRUE(pair.is_established()) << (pair.server.error ? pair.server.error->detail : "");
    EXPECT_EQ(pair.client.stream.peer_uri(), Office::uri("u1"));
    EXPECT_EQ(pair.server.stream.peer_uri(), Office::uri("u2"));
    EXPECT_EQ(pair.client.stream.peer_certificate_fingerprint(),
              Certificate::from_pem(to.chain)->fingerprint());
    EXPECT_EQ(pair.server.stream.peer_certificate_fingerprint(),
              Certificate::from_pem(from.chain)->fingerprint());
  });
}

TEST_F(TlsIdentityTest, OfAClientIsRefusedWhenItIsRequiredAndMissingOrBad) {
  in_both_versions([&] {
    EXPECT_THAT(client_refusal(ClientCertificate::required, {}), HasSubstr("no certificate"));
    EXPECT_THAT(client_refusal(ClientCertificate::required, stranger_.peer("u2")),
                HasSubstr("unknown issuer"));
    EXPECT_THAT(client_refusal(ClientCertificate::optional, stranger_.peer("u2")),
                HasSubstr("unknown issuer"));
  });
}

TEST_F(TlsIdentityTest, OfAClientMayBeMissingWhereItIsOptional) {
  in_both_versions([&] {
    const auto asking = server(office_.server(), ClientCertificate::optional);
    Pair without(asking, client(root_), {.host = "localhost"});
    without.run();
    EXPECT_TRUE(without.is_established());
    EXPECT_EQ(without.server.stream.peer_uri(), "");
    Pair with(asking, client(root_, office_.peer("u2")), {.host = "localhost"});
    with.run();
    EXPECT_TRUE(with.is_established());
    EXPECT_EQ(with.server.stream.peer_uri(), Office::uri("u2"));
    Pair unasked(server(office_.server()), client(root_, office_.peer("u2")),
                 {.host = "localhost"});
    unasked.run();
    EXPECT_TRUE(unasked.is_established());
    EXPECT_EQ(unasked.server.stream.peer_uri(), "");
  });
}

TEST_F(TlsIdentityTest, IsGoodUnderAnOldAndANewRootTrustedTogether) {
  const std::string both = root_ + namesake_.root();
  for (const Office* office : {&office_, &namesake_}) {
    Pair pair(server(office->server()), client(both), {.host = "localhost"});
    pair.run();
    EXPECT_TRUE(pair.is_established());
  }
}

TEST_F(TlsIdentityTest, DoesNotRestOnTheSystemsRoots) {
  const auto none = TlsContext::make({.role = TlsRole::client, .clock = &clock_});
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code, Errc::bad_config);
}

TEST_F(TlsIdentityTest, NeedsAKeyThatIsTheCertificates) {
  const Papers one = office_.server();
  const Papers other = office_.server();
  const auto why = [&](TlsOptions options) {
    const auto made = TlsContext::make(options);
    return made ? std::string("it was made") : made.error().detail;
  };
  EXPECT_THAT(why({.chain = one.chain, .key = other.key}), HasSubstr("not the certificate's"));
  EXPECT_THAT(why({.chain = one.chain}), HasSubstr("private key"));
  EXPECT_THAT(why({.chain = one.chain + other.chain, .key = one.key}), HasSubstr("not signed by"));
  EXPECT_THAT(why({.role = TlsRole::client, .roots = one.chain}), HasSubstr("not a CA's"));
  EXPECT_THAT(why({.chain = one.chain + root_, .key = one.key}), HasSubstr("it was made"));
}

}  // namespace
}  // namespace pannier::net
