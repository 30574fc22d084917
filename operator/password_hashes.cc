#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <array>
#include <cstdlib>

#include "common/password_hash.h"
#include "common/random.h"
#include "operator/namespace_view.h"

namespace pannier {
namespace {

constexpr std::size_t kKeptMax = 10'000;

// Tells two passwords apart and gives neither away: the key dies with the process.
std::string keyed_digest(std::string_view password) {
  static const std::array<std::byte, 32> kKey = [] {
    std::array<std::byte, 32> key{};
    fill_random(key);
    return key;
  }();
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), kKey.data(), static_cast<int>(kKey.size()),
           reinterpret_cast<const unsigned char*>(password.data()), password.size(), digest.data(),
           &size) == nullptr)
    std::abort();  // no memory
  return {reinterpret_cast<const char*>(digest.data()), size};
}

}  // namespace

std::string PasswordHashes::hash_of(const std::string& user_uid, const std::string& password) {
  std::string digest = keyed_digest(password);
  {
    const std::lock_guard lock(mutex_);
    const auto kept = kept_.find(user_uid);
    if (kept != kept_.end() && kept->second.password_digest == digest) return kept->second.hash;
  }
  std::string hash = hash_password_for(user_uid, password);
  const std::lock_guard lock(mutex_);
  if (kept_.size() >= kKeptMax && !kept_.contains(user_uid)) kept_.clear();
  kept_.insert_or_assign(user_uid, Kept{std::move(digest), hash});
  return hash;
}

}  // namespace pannier
