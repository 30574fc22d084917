// TlsContext: what TLS needs to know before any connection: our certificate and key, whom we
// trust, and which versions and ciphers we speak.
//
// Made once, never changed, shared by its streams and its owner; any thread. Errors are bad_config
// and never show any part of a key. Only the given roots are trusted, never the system's. TLS 1.2
// and 1.3; no renegotiation, compression, resumption or tickets, so that nothing of an old context
// outlives it but its own streams.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "common/certificate.h"
#include "common/clock.h"
#include "common/result.h"

struct ssl_ctx_st;  // OpenSSL's SSL_CTX

namespace pannier::net {

enum class TlsRole : std::uint8_t { server, client };
enum class TlsVersion : std::uint8_t { tls12, tls13 };

// What a server asks its clients for. One that is shown must be good, also where it is optional.
enum class ClientCertificate : std::uint8_t { none, optional, required };

struct TlsOptions {
  TlsRole role = TlsRole::server;
  std::string_view chain{};  // PEM, the leaf first; a client may have none, nor a key then
  std::string_view key{};    // PEM
  std::string_view roots{};  // PEM; a server that asks for no certificate needs none
  ClientCertificate client_certificate = ClientCertificate::none;
  TlsVersion version_max = TlsVersion::tls13;
  const Clock* clock = &system_clock();  // certificates are checked by its wall time; outlives us
  // TLS 1.3 changes its keys after so many records. AES-GCM allows 2^24.5 with one key.
  std::uint64_t records_per_key = 1ull << 24;
};

class TlsContext {
 public:
  static constexpr int kCertificateBytesMax = 32 << 10;  // of a chain that a peer sends
  static constexpr int kChainMax = 8;                    // certificates between leaf and root

  static Result<std::shared_ptr<const TlsContext>> make(const TlsOptions& options);

  TlsRole role() const { return role_; }
  std::uint64_t records_per_key() const { return records_per_key_; }
  ssl_ctx_st* native() const { return held_.get(); }

 private:
  TlsContext(std::shared_ptr<ssl_ctx_st> held, const TlsOptions& options);

  const std::shared_ptr<ssl_ctx_st> held_;
  const TlsRole role_;
  const std::uint64_t records_per_key_;
};

}  // namespace pannier::net
