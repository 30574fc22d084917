// CredentialKey: turns a user and a password into a digest that tells nothing without the key.
//
// The key is random and never leaves the process, so what is remembered under a digest cannot be
// tried against a list of passwords. Immutable; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string_view>

namespace pannier::queue {

using CredentialDigest = std::array<std::byte, 32>;

struct CredentialDigestHash {
  std::size_t operator()(const CredentialDigest& digest) const {
    std::size_t first = 0;
    std::memcpy(&first, digest.data(), sizeof(first));
    return first;
  }
};

// In constant time.
bool same(const CredentialDigest& a, const CredentialDigest& b);

class CredentialKey {
 public:
  CredentialKey();
  ~CredentialKey();
  CredentialKey(const CredentialKey&) = delete;
  CredentialKey& operator=(const CredentialKey&) = delete;

  CredentialDigest digest(std::string_view user, std::string_view password) const;
  CredentialDigest digest(std::string_view user) const { return digest(user, {}); }

 private:
  std::array<std::byte, 32> key_;
};

}  // namespace pannier::queue
