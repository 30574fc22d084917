// Certificate: an X.509 certificate, read.
//
// An immutable value that shares what it holds; any thread. Errors are bad_config, say what is
// wrong and show no content. That one exists says that its text is well formed, and no more: dates,
// issuer and names are for whoever relies on it to check.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/private_key.h"
#include "common/result.h"

struct x509_st;  // OpenSSL's X509

namespace pannier {

// In whole seconds, as X.509 counts, which also holds the year 9999.
using WallTime = std::chrono::sys_seconds;
inline WallTime wall_time(std::int64_t wall_ms) {
  return std::chrono::floor<std::chrono::seconds>(
      std::chrono::sys_time<std::chrono::milliseconds>(std::chrono::milliseconds(wall_ms)));
}

class Certificate {
 public:
  static constexpr std::size_t kBundleMax = 256;  // certificates in one text

  explicit Certificate(std::shared_ptr<x509_st> held) : held_(std::move(held)) {}

  static Result<Certificate> from_pem(std::string_view pem);  // exactly one
  // A chain or a bundle: one or more, in their order, and nothing else.
  static Result<std::vector<Certificate>> all_from_pem(std::string_view pem);
  std::string to_pem() const;

  std::string common_name() const;  // empty: none
  std::vector<std::string> dns_names() const;
  std::vector<std::string> ip_addresses() const;
  std::vector<std::string> uris() const;
  // A SPIFFE certificate has one URI and no other: anything else gives nothing.
  std::optional<std::string> spiffe_uri() const;
  std::string serial() const;  // hexadecimal, lower case
  WallTime not_before() const;
  WallTime not_after() const;
  std::string fingerprint() const;  // SHA-256 of the whole, hexadecimal, lower case
  bool is_ca() const;
  PublicKey public_key() const;

  // Whether that CA's key made its signature, and the two name each other.
  bool is_signed_by(const Certificate& ca) const;
  bool matches(const PrivateKey& key) const;

  x509_st* native() const { return held_.get(); }

 private:
  std::shared_ptr<x509_st> held_;
};

// Whether `now` is within the certificate's dates, both ends included.
bool is_valid_at(const Certificate& certificate, WallTime now);

}  // namespace pannier
