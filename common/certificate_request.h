// CertificateRequest: a PKCS#10 request, whose signature is good: its sender has the key.
//
// An immutable value that shares what it holds; any thread. Errors are bad_argument when it is
// read, bad_config when it cannot be made. The names that it asks for prove nothing.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "common/private_key.h"
#include "common/result.h"

struct X509_req_st;  // OpenSSL's X509_REQ

namespace pannier {

class CertificateRequest {
 public:
  static constexpr std::size_t kPemBytesMax = 16 << 10;

  static Result<CertificateRequest> make(const PrivateKey& key, std::string_view common_name);
  static Result<CertificateRequest> from_pem(std::string_view pem);  // exactly one

  std::string to_pem() const;
  std::string common_name() const;
  PublicKey public_key() const;

 private:
  explicit CertificateRequest(std::shared_ptr<X509_req_st> held) : held_(std::move(held)) {}

  std::shared_ptr<X509_req_st> held_;
};

}  // namespace pannier
