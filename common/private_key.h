// PrivateKey and PublicKey: the two halves of a key pair (P-256 when it is ours), and SecretText,
// which is what a private key is as text.
//
// Immutable values that share what they hold; any thread. Errors are bad_config and never show any
// part of a key. Key material is overwritten when its last owner goes; what a caller copies out of
// a SecretText is the caller's.
#pragma once

#include <memory>
#include <string_view>
#include <utility>

#include "common/bytes.h"
#include "common/result.h"

struct evp_pkey_st;  // OpenSSL's EVP_PKEY

namespace pannier {

class SecretText {
 public:
  explicit SecretText(Bytes text) : text_(std::move(text)) {}
  SecretText(SecretText&&) noexcept = default;
  SecretText& operator=(SecretText&&) = delete;
  ~SecretText();

  std::string_view view() const { return as_text(text_); }

 private:
  Bytes text_;
};

class PublicKey {
 public:
  explicit PublicKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}
  evp_pkey_st* native() const { return key_.get(); }
  bool operator==(const PublicKey& other) const;

 private:
  std::shared_ptr<evp_pkey_st> key_;
};

class PrivateKey {
 public:
  static Result<PrivateKey> make();
  // Exactly one key, not encrypted, in PKCS#8 or the older EC and RSA forms.
  static Result<PrivateKey> from_pem(std::string_view pem);

  Result<SecretText> to_pem() const;  // PKCS#8
  PublicKey public_key() const { return PublicKey(key_); }
  evp_pkey_st* native() const { return key_.get(); }

 private:
  explicit PrivateKey(std::shared_ptr<evp_pkey_st> key) : key_(std::move(key)) {}

  std::shared_ptr<evp_pkey_st> key_;
};

}  // namespace pannier
