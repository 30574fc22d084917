// What our .cc files over OpenSSL share: owning handles, its errors as ours, and PEM blocks.
//
// The only header of ours that includes OpenSSL's; never include it from another header. Pure but
// for OpenSSL's per-thread error queue, which every failed call leaves empty; any thread.
#pragma once

#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace pannier {

template <auto free>
struct FreeWith {
  template <typename T>
  void operator()(T* held) const {
    free(held);
  }
};
template <typename T, auto free>
using Handle = std::unique_ptr<T, FreeWith<free>>;

using BioHandle = Handle<BIO, BIO_free_all>;
using KeyHandle = Handle<EVP_PKEY, EVP_PKEY_free>;
using X509Handle = Handle<X509, X509_free>;
using RequestHandle = Handle<X509_REQ, X509_REQ_free>;

inline constexpr std::size_t kPemBytesMax = 1 << 20;

// `what` and OpenSSL's newest reason, which is a constant text and names no data.
Error openssl_error(Errc code, std::string what);

// One "-----BEGIN name-----" block, decoded; its bytes may be secret and are cleansed.
class PemBlock {
 public:
  PemBlock(char* name, char* header, unsigned char* data, long size)
      : name_(name), header_(header), data_(data), size_(static_cast<std::size_t>(size)) {}
  PemBlock(PemBlock&& other) noexcept;
  PemBlock& operator=(PemBlock&&) = delete;
  ~PemBlock();

  std::string_view name() const { return name_; }
  bool has_header() const { return *header_ != '\0'; }  // of an encrypted block, as of old
  std::span<const unsigned char> data() const { return {data_, size_}; }

 private:
  char* name_;
  char* header_;
  unsigned char* data_;
  std::size_t size_;
};

// All blocks in their order, at least one; text around them is skipped. bad_config otherwise.
Result<std::vector<PemBlock>> pem_blocks(std::string_view text);

// What a PEM writer wrote into a memory BIO.
std::string text_of(BIO& bio);

// The last common name of a subject, in UTF-8; empty: none.
std::string common_name_of(const X509_NAME& name);
// Adds it, unless it is empty. bad_argument when it does not fit X.509.
Result<void> set_common_name(X509_NAME& name, std::string_view common_name);

}  // namespace pannier
