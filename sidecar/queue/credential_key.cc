#include "sidecar/queue/credential_key.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstdlib>
#include <string>

#include "common/random.h"
#include "common/secret.h"

namespace pannier::queue {

bool same(const CredentialDigest& a, const CredentialDigest& b) {
  return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

CredentialKey::CredentialKey() : key_() { fill_random(key_); }

CredentialKey::~CredentialKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

CredentialDigest CredentialKey::digest(std::string_view user, std::string_view password) const {
  // The size in front, so that "ab" with "c" is not "a" with "bc".
  std::string text;
  text.reserve(20 + 1 + user.size() + password.size());  // never moved: nothing is left behind
  text.append(std::to_string(user.size())).append(1, ':').append(user).append(password);
  CredentialDigest digest{};
  unsigned size = 0;
  const auto* made = HMAC(EVP_sha256(), key_.data(), static_cast<int>(key_.size()),
                          reinterpret_cast<const unsigned char*>(text.data()), text.size(),
                          reinterpret_cast<unsigned char*>(digest.data()), &size);
  cleanse(text);
  if (made == nullptr || size != digest.size()) std::abort();
  return digest;
}

}  // namespace pannier::queue
