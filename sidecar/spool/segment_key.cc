#include "sidecar/spool/segment_key.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <sys/random.h>

#include <cstdlib>
#include <cstring>
#include <string_view>

#include "common/openssl_handle.h"

namespace pannier::spool {
namespace {

using CipherHandle = Handle<EVP_CIPHER, EVP_CIPHER_free>;
using CipherContext = Handle<EVP_CIPHER_CTX, EVP_CIPHER_CTX_free>;
using KdfHandle = Handle<EVP_KDF, EVP_KDF_free>;
using KdfContext = Handle<EVP_KDF_CTX, EVP_KDF_CTX_free>;

constexpr std::size_t kNonceSize = RecordHeader::kNonceSize;
constexpr std::size_t kTagSize = RecordHeader::kTagSize;

unsigned char* raw(std::byte* bytes) { return reinterpret_cast<unsigned char*>(bytes); }
const unsigned char* raw(const std::byte* bytes) {
  return reinterpret_cast<const unsigned char*>(bytes);
}

// What can only fail for want of memory, or in an OpenSSL that lacks what we were built with.
void must(bool done) {
  if (!done) std::abort();
}

// Looked up once: OpenSSL takes longer to find it than to use it on a small record.
const EVP_CIPHER* aes_256_gcm() {
  static const CipherHandle cipher(EVP_CIPHER_fetch(nullptr, "AES-256-GCM", nullptr));
  must(cipher != nullptr);
  return cipher.get();
}

// From the kernel, for each record: a machine that is copied while it runs has the state of a
// generator in our memory twice, and both would go on with the same numbers in the same segment.
void fill_nonce(std::byte* to) {
  must(::getrandom(to, kNonceSize, 0) == static_cast<ssize_t>(kNonceSize));
}

Bytes info_of(const SegmentHeader& header) {
  constexpr std::string_view kName = "pannier spool segment 1";
  Bytes info;
  ByteWriter writer(info);
  writer.bytes(as_bytes(kName));
  writer.le(header.number);
  writer.le(header.key_id);
  return info;
}

}  // namespace

SegmentKey::SegmentKey(const KeyBytes& master, const SegmentHeader& header) : id_(header.key_id) {
  const KdfHandle hkdf(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  must(hkdf != nullptr);
  const KdfContext context(EVP_KDF_CTX_new(hkdf.get()));
  must(context != nullptr);
  char digest[] = "SHA256";
  KeyBytes input = master;
  Salt salt = header.salt;
  Bytes info = info_of(header);
  const OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, input.data(), input.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, salt.data(), salt.size()),
      OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info.data(), info.size()),
      OSSL_PARAM_construct_end()};
  must(EVP_KDF_derive(context.get(), raw(key_.data()), key_.size(), parameters) == 1);
  OPENSSL_cleanse(input.data(), input.size());
}

SegmentKey::~SegmentKey() { OPENSSL_cleanse(key_.data(), key_.size()); }

void SegmentKey::seal(ByteView aad, std::span<const ByteView> plain, std::byte* to) const {
  const CipherContext context(EVP_CIPHER_CTX_new());
  must(context != nullptr);
  fill_nonce(to);
  must(EVP_EncryptInit_ex2(context.get(), aes_256_gcm(), raw(key_.data()), raw(to), nullptr) == 1);
  int got = 0;
  must(EVP_EncryptUpdate(context.get(), nullptr, &got, raw(aad.data()),
                         static_cast<int>(aad.size())) == 1);
  std::byte* at = to + kNonceSize;
  for (const ByteView piece : plain) {
    if (piece.empty()) continue;
    must(EVP_EncryptUpdate(context.get(), raw(at), &got, raw(piece.data()),
                           static_cast<int>(piece.size())) == 1);
    at += piece.size();
  }
  must(EVP_EncryptFinal_ex(context.get(), raw(at), &got) == 1);
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, static_cast<int>(kTagSize), at) ==
       1);
}

bool SegmentKey::open(ByteView aad, ByteView stored, std::byte* to) const {
  if (stored.size() < kNonceSize + kTagSize) return false;
  const CipherContext context(EVP_CIPHER_CTX_new());
  must(context != nullptr);
  must(EVP_DecryptInit_ex2(context.get(), aes_256_gcm(), raw(key_.data()), raw(stored.data()),
                           nullptr) == 1);
  int got = 0;
  must(EVP_DecryptUpdate(context.get(), nullptr, &got, raw(aad.data()),
                         static_cast<int>(aad.size())) == 1);
  const ByteView text = stored.subspan(kNonceSize, stored.size() - kNonceSize - kTagSize);
  if (!text.empty())
    must(EVP_DecryptUpdate(context.get(), raw(to), &got, raw(text.data()),
                           static_cast<int>(text.size())) == 1);
  std::array<std::byte, kTagSize> tag;
  std::memcpy(tag.data(), stored.data() + stored.size() - kTagSize, kTagSize);
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_SET_TAG, static_cast<int>(kTagSize),
                           tag.data()) == 1);
  std::array<std::byte, 16> rest;
  const bool is_ours = EVP_DecryptFinal_ex(context.get(), raw(rest.data()), &got) == 1;
  ERR_clear_error();
  return is_ours;
}

}  // namespace pannier::spool
