#include "common/password_hash.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <array>
#include <cstdlib>
#include <vector>

#include "common/random.h"
#include "common/scrypt_text.h"

namespace pannier {
namespace {

constexpr std::size_t kSaltBytes = 16;
constexpr std::size_t kHashBytes = 32;
// What the dearest text needs, 64 MiB, and what OpenSSL adds to it.
constexpr std::uint64_t kMemoryMax = 66u << 20;

using Octets = std::vector<unsigned char>;

std::string base64(const Octets& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()), bytes.data(),
                  static_cast<int>(bytes.size()));
  text.resize((bytes.size() * 4 + 2) / 3);  // without padding
  return text;
}

unsigned base64_value(char c) {
  if (c >= 'A' && c <= 'Z') return static_cast<unsigned>(c - 'A');
  if (c >= 'a' && c <= 'z') return static_cast<unsigned>(c - 'a') + 26;
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0') + 52;
  return c == '+' ? 62 : 63;
}

// Of letters that parse_scrypt_text has accepted.
Octets from_base64(std::string_view text) {
  Octets bytes;
  unsigned bits = 0;
  unsigned held = 0;
  for (const char c : text) {
    held = (held << 6 | base64_value(c)) & 0xffff;
    bits += 6;
    if (bits < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<unsigned char>(held >> bits));
  }
  return bytes;
}

Octets random_octets(std::size_t size) {
  Octets bytes(size);
  fill_random(std::as_writable_bytes(std::span(bytes)));
  return bytes;
}

bool derive(std::string_view password, const Octets& salt, ScryptCost cost, Octets& into) {
  return EVP_PBE_scrypt(password.data(), password.size(), salt.data(), salt.size(),
                        std::uint64_t{1} << cost.cost_log2, cost.block_size, cost.parallel,
                        kMemoryMax, into.data(), into.size()) == 1;
}

std::string text_of(ScryptCost cost, const Octets& salt, const Octets& hash) {
  return "$scrypt$ln=" + std::to_string(cost.cost_log2) + ",r=" + std::to_string(cost.block_size) +
         ",p=" + std::to_string(cost.parallel) + "$" + base64(salt) + "$" + base64(hash);
}

std::string salted(std::string_view password, const Octets& salt, ScryptCost cost) {
  Octets hash(kHashBytes);
  if (!derive(password, salt, cost, hash))
    std::abort();  // a cost that no text may have, or no memory
  return text_of(cost, salt, hash);
}

}  // namespace

std::string hash_password(std::string_view password, ScryptCost cost) {
  return salted(password, random_octets(kSaltBytes), cost);
}

std::string hash_password_for(std::string_view account, std::string_view password,
                              ScryptCost cost) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  const std::string named = "pannier.dev/password-salt\n" + std::string(account);
  if (EVP_Digest(named.data(), named.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
    std::abort();  // no memory
  return salted(password, Octets(digest.begin(), digest.begin() + kSaltBytes), cost);
}

bool matches_password(std::string_view hash_text, std::string_view password) {
  const auto parts = parse_scrypt_text(hash_text);
  if (!parts) return false;
  const Octets expected = from_base64(parts->hash);
  Octets found(expected.size());
  if (!derive(password, from_base64(parts->salt),
              {parts->cost_log2, parts->block_size, parts->parallel}, found))
    return false;
  const bool same = CRYPTO_memcmp(found.data(), expected.data(), expected.size()) == 0;
  OPENSSL_cleanse(found.data(), found.size());
  return same;
}

std::string unmatchable_hash(ScryptCost cost) {
  return text_of(cost, random_octets(kSaltBytes), random_octets(kHashBytes));
}

}  // namespace pannier
