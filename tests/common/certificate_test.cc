#include "common/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <set>

#include "common/certificate_authority.h"
#include "common/certificate_request.h"

namespace pannier {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const WallTime kNow{1'800'000'000s};
constexpr const char* kUri = "spiffe://td/ns/n/sa/s/pod/u";

LeafRequest server_leaf() {
  return {.common_name = "agent",
          .dns = {"localhost"},
          .ips = {"127.0.0.1", "::1"},
          .is_server = true,
          .validity = 24h};
}

LeafRequest peer_leaf() {
  return {.uris = {kUri}, .is_server = true, .is_client = true, .validity = 24h};
}

class CertificateTest : public testing::Test {
 protected:
  ~CertificateTest() override { EXPECT_EQ(ERR_peek_error(), 0u) << "the error queue is not empty"; }

  Certificate issued(const LeafRequest& leaf) const {
    auto made = issue(ca_, key_.public_key(), leaf, kNow);
    if (!made) ADD_FAILURE() << made.error().detail;
    return std::move(*made);
  }
  Error refused(const LeafRequest& leaf, WallTime now = kNow) const {
    const auto made = issue(ca_, key_.public_key(), leaf, now);
    return made ? Error(Errc::closed, "it was issued") : made.error();
  }

  const Authority ca_ = *make_ca("pannier test", 48h, kNow);
  const PrivateKey key_ = *PrivateKey::make();
};

// What `openssl verify -x509_strict -purpose` says, as X509_V_*.
int verified(const Certificate& leaf, const Certificate& root, WallTime now, int purpose) {
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.native());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf.native(), nullptr);
  X509_VERIFY_PARAM* param = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_time(param, now.time_since_epoch().count());
  X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_purpose(param, purpose);
  X509_VERIFY_PARAM_set_auth_level(param, 2);
  X509_verify_cert(context);
  const int error = X509_STORE_CTX_get_error(context);
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  ERR_clear_error();
  return error;
}

TEST_F(CertificateTest, SaysWhatItIsAndComesBackFromItsPem) {
  const Certificate leaf = issued(server_leaf());
  const auto again = Certificate::from_pem(leaf.to_pem());
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(again->to_pem(), leaf.to_pem());
  EXPECT_EQ(again->fingerprint(), leaf.fingerprint());
  EXPECT_EQ(again->fingerprint().size(), 64u);
  EXPECT_EQ(again->common_name(), "agent");
  EXPECT_THAT(again->dns_names(), ElementsAre("localhost"));
  EXPECT_THAT(again->ip_addresses(), ElementsAre("127.0.0.1", "::1"));
  EXPECT_THAT(again->uris(), IsEmpty());
  EXPECT_EQ(again->spiffe_uri(), std::nullopt);
  EXPECT_EQ(again->not_before(), kNow - 5min);
  EXPECT_EQ(again->not_after(), kNow + 24h);
  EXPECT_FALSE(again->is_ca());
  EXPECT_TRUE(again->matches(key_));
  EXPECT_FALSE(again->matches(ca_.key));
}

TEST_F(CertificateTest, NamesThePodOnlyWhenItHasOneUri) {
  EXPECT_EQ(issued(peer_leaf()).spiffe_uri(), kUri);
  LeafRequest leaf = peer_leaf();
  leaf.uris.emplace_back("spiffe://td/ns/n/sa/s/pod/other");
  EXPECT_EQ(issued(leaf).spiffe_uri(), std::nullopt);
  leaf.uris = {"https://example.org/"};
  EXPECT_EQ(issued(leaf).spiffe_uri(), std::nullopt);
}

TEST_F(CertificateTest, OfACaIsOneAndSignsItself) {
  EXPECT_TRUE(ca_.certificate.is_ca());
  EXPECT_EQ(ca_.certificate.common_name(), "pannier test");
  EXPECT_TRUE(ca_.certificate.is_signed_by(ca_.certificate));
  EXPECT_TRUE(ca_.certificate.matches(ca_.key));
  EXPECT_EQ(verified(ca_.certificate, ca_.certificate, kNow, X509_PURPOSE_ANY), X509_V_OK);
}

TEST_F(CertificateTest, IsSignedByItsOwnCaOnly) {
  const Certificate leaf = issued(server_leaf());
  EXPECT_TRUE(leaf.is_signed_by(ca_.certificate));
  const Authority other = *make_ca("pannier test", 48h, kNow);
  EXPECT_FALSE(leaf.is_signed_by(other.certificate));
  EXPECT_FALSE(ca_.certificate.is_signed_by(leaf));
  EXPECT_FALSE(leaf.is_signed_by(leaf));
}

TEST_F(CertificateTest, PassesTheStrictVerificationForItsPurposeOnly) {
  const Certificate& root = ca_.certificate;
  const Certificate server = issued(server_leaf());
  EXPECT_EQ(verified(server, root, kNow, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(verified(server, root, kNow, X509_PURPOSE_SSL_CLIENT), X509_V_ERR_INVALID_PURPOSE);
  const Certificate peer = issued(peer_leaf());
  EXPECT_EQ(verified(peer, root, kNow, X509_PURPOSE_SSL_SERVER), X509_V_OK);
  EXPECT_EQ(verified(peer, root, kNow, X509_PURPOSE_SSL_CLIENT), X509_V_OK);
}

TEST_F(CertificateTest, CountsFromFiveMinutesBackToItsLastSecond) {
  const Certificate leaf = issued(server_leaf());
  const auto check = [&](WallTime at) {
    return verified(leaf, ca_.certificate, at, X509_PURPOSE_SSL_SERVER);
  };
  EXPECT_EQ(check(kNow - 5min), X509_V_OK);
  EXPECT_EQ(check(kNow - 5min - 1s), X509_V_ERR_CERT_NOT_YET_VALID);
  EXPECT_EQ(check(kNow + 24h - 1s), X509_V_OK);
  EXPECT_EQ(check(kNow + 24h + 1s), X509_V_ERR_CERT_HAS_EXPIRED);
  EXPECT_TRUE(is_valid_at(leaf, kNow - 5min));
  EXPECT_FALSE(is_valid_at(leaf, kNow - 5min - 1s));
  EXPECT_TRUE(is_valid_at(leaf, kNow + 24h));
  EXPECT_FALSE(is_valid_at(leaf, kNow + 24h + 1s));
}

TEST_F(CertificateTest, NeverOutlivesItsCa) {
  LeafRequest leaf = server_leaf();
  leaf.validity = 30 * 24h;
  EXPECT_EQ(issued(leaf).not_after(), ca_.certificate.not_after());
  EXPECT_THAT(refused(leaf, kNow + 48h + 1s).detail, HasSubstr("expired"));
  EXPECT_THAT(refused(leaf, kNow - 6min).detail, HasSubstr("not valid yet"));
}

TEST_F(CertificateTest, HasAnUnguessableSerialOf128Bits) {
  std::set<std::string> seen;
  for (int i = 0; i < 50; ++i) {
    const std::string serial = issued(peer_leaf()).serial();
    EXPECT_EQ(serial.size(), 32u);
    EXPECT_TRUE(seen.insert(serial).second);
  }
}

TEST_F(CertificateTest, WithoutASubjectMarksItsNamesCritical) {
  const auto critical = [](const Certificate& leaf) {
    const int at = X509_get_ext_by_NID(leaf.native(), NID_subject_alt_name, -1);
    return at >= 0 && X509_EXTENSION_get_critical(X509_get_ext(leaf.native(), at)) == 1;
  };
  EXPECT_TRUE(critical(issued(peer_leaf())));
  EXPECT_FALSE(critical(issued(server_leaf())));
}

TEST_F(CertificateTest, IsNotIssuedForARequestThatCannotBeMet) {
  const auto with = [](auto change) {
    LeafRequest leaf = server_leaf();
    change(leaf);
    return leaf;
  };
  const LeafRequest cases[] = {
      with([](LeafRequest& leaf) { leaf.dns = {"two names"}; }),
      with([](LeafRequest& leaf) { leaf.dns = {""}; }),
      with([](LeafRequest& leaf) { leaf.dns = {std::string("a\0b", 3)}; }),
      with([](LeafRequest& leaf) { leaf.ips = {"localhost"}; }),
      with([](LeafRequest& leaf) { leaf.ips = {"127.0.0.1/8"}; }),
      with([](LeafRequest& leaf) { leaf.uris = {"spiffe://a\nb"}; }),
      with([](LeafRequest& leaf) { leaf.common_name = std::string(65, 'a'); }),
      with([](LeafRequest& leaf) { leaf.common_name = "\xff\xfe"; }),
      with([](LeafRequest& leaf) { leaf.is_server = false; }),
      with([](LeafRequest& leaf) { leaf.validity = 0s; }),
      with([](LeafRequest& leaf) { leaf.validity = std::chrono::seconds::max(); }),
      {.is_client = true, .validity = 1h},
  };
  for (const LeafRequest& leaf : cases) EXPECT_EQ(refused(leaf).code, Errc::bad_argument);
}

TEST_F(CertificateTest, TakesWhatLooksLikeConfigurationAsAName) {
  LeafRequest leaf = server_leaf();
  leaf.dns = {"localhost,IP:10.0.0.1"};
  EXPECT_THAT(issued(leaf).dns_names(), ElementsAre("localhost,IP:10.0.0.1"));
}

TEST_F(CertificateTest, IsNotIssuedByALeafOrWithAnotherKey) {
  const Authority leaf{issued(server_leaf()), key_};
  const auto by_leaf = issue(leaf, key_.public_key(), server_leaf(), kNow);
  ASSERT_FALSE(by_leaf);
  EXPECT_THAT(by_leaf.error().detail, HasSubstr("not a CA"));
  const auto by_other_key = issue({ca_.certificate, key_}, key_.public_key(), server_leaf(), kNow);
  ASSERT_FALSE(by_other_key);
  EXPECT_EQ(by_other_key.error().code, Errc::bad_config);
}

TEST_F(CertificateTest, ReadsABundleInItsOrderWithTextAround) {
  const Certificate leaf = issued(server_leaf());
  const std::string text =
      "# the leaf\n" + leaf.to_pem() + "\nand its CA:\n" + ca_.certificate.to_pem() + "end\n";
  const auto all = Certificate::all_from_pem(text);
  ASSERT_TRUE(all) << all.error().detail;
  ASSERT_EQ(all->size(), 2u);
  EXPECT_EQ((*all)[0].fingerprint(), leaf.fingerprint());
  EXPECT_EQ((*all)[1].fingerprint(), ca_.certificate.fingerprint());
  EXPECT_THAT(Certificate::from_pem(text).error().detail, HasSubstr("more than one"));
}

TEST_F(CertificateTest, SaysWhyAPemIsNotOne) {
  const auto why = [](const std::string& pem) {
    const auto read = Certificate::all_from_pem(pem);
    return read ? std::string("it was read") : read.error().detail;
  };
  const std::string pem = ca_.certificate.to_pem();
  EXPECT_THAT(why(""), HasSubstr("there is no PEM block"));
  EXPECT_THAT(why("{\"json\": true}"), HasSubstr("there is no PEM block"));
  EXPECT_THAT(why(std::string((*key_.to_pem()).view())), HasSubstr("another thing"));
  EXPECT_THAT(why(pem + std::string((*key_.to_pem()).view())), HasSubstr("another thing"));
  EXPECT_THAT(why(CertificateRequest::make(key_, "x")->to_pem()), HasSubstr("another thing"));
  EXPECT_THAT(why(pem + pem.substr(0, pem.size() / 2)), HasSubstr("block 2 is broken"));
  EXPECT_THAT(why("-----BEGIN CERTIFICATE----\n" + pem), HasSubstr("broken"));
  EXPECT_THAT(why("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
              HasSubstr("cannot be decoded"));
  EXPECT_THAT(why(std::string((1 << 20) + 1, 'a')), HasSubstr("1 MiB"));
}

TEST_F(CertificateTest, CutOrChangedAnywhereIsNeverTakenForTheSame) {
  const Certificate leaf = issued(server_leaf());
  const std::string pem = leaf.to_pem();
  for (std::size_t size = 0; size + 1 < pem.size(); size += 7)
    EXPECT_FALSE(Certificate::from_pem(pem.substr(0, size))) << size;
  for (std::size_t at = 28; at < pem.size() - 28; at += 3) {
    std::string changed = pem;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto read = Certificate::from_pem(changed);
    EXPECT_FALSE(read && read->is_signed_by(ca_.certificate)) << at;
  }
}

TEST_F(CertificateTest, RequestComesBackAndIsIssuedForItsKeyWithOurNames) {
  const auto made = CertificateRequest::make(key_, "whoever");
  ASSERT_TRUE(made);
  const auto request = CertificateRequest::from_pem(made->to_pem());
  ASSERT_TRUE(request) << request.error().detail;
  EXPECT_EQ(request->common_name(), "whoever");
  EXPECT_TRUE(request->public_key() == key_.public_key());
  const auto leaf = issue(ca_, request->public_key(), peer_leaf(), kNow);
  ASSERT_TRUE(leaf) << leaf.error().detail;
  EXPECT_TRUE(leaf->matches(key_));
  EXPECT_EQ(leaf->common_name(), "");
  EXPECT_EQ(leaf->spiffe_uri(), kUri);
}

TEST_F(CertificateTest, RequestThatWasTamperedWithIsRefusedWhereverItWas) {
  const std::string pem = CertificateRequest::make(key_, "whoever")->to_pem();
  const std::size_t begin = pem.find('\n') + 1;
  const std::size_t end = pem.rfind("-----END") - 5;  // the padding's spare bits carry nothing
  for (std::size_t at = begin; at < end; ++at) {
    if (pem[at] == '\n') continue;
    std::string changed = pem;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto read = CertificateRequest::from_pem(changed);
    ASSERT_FALSE(read) << at;
    ASSERT_EQ(read.error().code, Errc::bad_argument);
  }
}

TEST_F(CertificateTest, RequestOfAnotherKindOrSizeIsRefused) {
  const std::string pem = CertificateRequest::make(key_, "")->to_pem();
  EXPECT_TRUE(CertificateRequest::from_pem(pem));
  EXPECT_FALSE(CertificateRequest::from_pem(""));
  EXPECT_FALSE(CertificateRequest::from_pem(pem + pem));
  EXPECT_FALSE(CertificateRequest::from_pem(ca_.certificate.to_pem()));
  EXPECT_FALSE(CertificateRequest::from_pem(pem + std::string(16 << 10, ' ')));
}

}  // namespace
}  // namespace pannier
