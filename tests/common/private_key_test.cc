#include "common/private_key.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include <string>

namespace pannier {
namespace {

using testing::HasSubstr;

std::string pem_of(const PrivateKey& key) { return std::string((*key.to_pem()).view()); }

std::string why_not(std::string_view pem) {
  const auto key = PrivateKey::from_pem(pem);
  if (key) return "it was read";
  EXPECT_EQ(key.error().code, Errc::bad_config);
  EXPECT_EQ(ERR_peek_error(), 0u) << "something is left in the error queue";
  return key.error().detail;
}

TEST(PrivateKey, ComesBackFromItsPem) {
  const auto key = PrivateKey::make();
  ASSERT_TRUE(key);
  const std::string pem = pem_of(*key);
  EXPECT_TRUE(pem.starts_with("-----BEGIN PRIVATE KEY-----\n")) << "not PKCS#8";
  const auto again = PrivateKey::from_pem(pem);
  ASSERT_TRUE(again) << again.error().detail;
  EXPECT_EQ(pem_of(*again), pem);
  EXPECT_TRUE(again->public_key() == key->public_key());
}

TEST(PrivateKey, IsNeverMadeTwice) {
  EXPECT_FALSE(PrivateKey::make()->public_key() == PrivateKey::make()->public_key());
}

TEST(PrivateKey, SaysWhyAPemIsNotOne) {
  const std::string pem = pem_of(*PrivateKey::make());
  EXPECT_THAT(why_not(""), HasSubstr("there is no PEM block"));
  EXPECT_THAT(why_not("hello"), HasSubstr("there is no PEM block"));
  EXPECT_THAT(why_not(pem + pem), HasSubstr("more than one"));
  EXPECT_THAT(why_not(pem.substr(0, pem.size() / 2)), HasSubstr("broken"));
  EXPECT_THAT(why_not("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
              HasSubstr("another thing"));
  EXPECT_THAT(why_not("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
              HasSubstr("cannot be decoded"));
  EXPECT_THAT(
      why_not("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n"),
      HasSubstr("encrypted"));
  EXPECT_THAT(why_not("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
                      "DEK-Info: AES-128-CBC,00\n\nAAAA\n-----END EC PRIVATE KEY-----\n"),
              HasSubstr("encrypted"));
}

TEST(PrivateKey, ShowsNoneOfItsTextInAnError) {
  std::string pem = pem_of(*PrivateKey::make());
  const std::string body = pem.substr(28, 60);
  pem[100] = '!';
  EXPECT_THAT(why_not(pem), testing::Not(HasSubstr(body.substr(0, 8))));
}

}  // namespace
}  // namespace pannier
