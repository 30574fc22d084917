#include "sidecar/net/tls_context.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "common/openssl_handle.h"
#include "sidecar/net/tls_verify.h"

namespace pannier::net {
namespace {

constexpr const char* kCiphers12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* kCiphers13 =
    "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
constexpr const char* kCurves = "X25519:P-256:P-384";
constexpr int kSecurityLevel = 2;  // 112 bits

Error failed(std::string what) {
  return openssl_error(Errc::bad_config, "TLS: " + std::move(what));
}

// What OpenSSL's own configuration file says is overridden, too.
Result<void> set_protocol(SSL_CTX& context, const TlsOptions& options) {
  SSL_CTX_set_security_level(&context, kSecurityLevel);
  SSL_CTX_set_options(&context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_NO_TICKET |
                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(&context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
  SSL_CTX_set_session_cache_mode(&context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_read_ahead(&context, 0);
  SSL_CTX_set_max_cert_list(&context, TlsContext::kCertificateBytesMax);
  const int version_max =
      options.version_max == TlsVersion::tls12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  if (SSL_CTX_set_min_proto_version(&context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(&context, version_max) != 1 ||
      SSL_CTX_set_num_tickets(&context, 0) != 1 ||
      SSL_CTX_set_cipher_list(&context, kCiphers12) != 1 ||
      SSL_CTX_set_ciphersuites(&context, kCiphers13) != 1 ||
      SSL_CTX_set1_groups_list(&context, kCurves) != 1)
    return failed("versions and ciphers cannot be set");
  return {};
}

Result<void> use_identity(SSL_CTX& context, const TlsOptions& options) {
  if (options.chain.empty() && options.key.empty() && options.role == TlsRole::client) return {};
  const auto chain = Certificate::all_from_pem(options.chain);
  if (!chain) return chain.error();
  const auto key = PrivateKey::from_pem(options.key);
  if (!key) return key.error();
  if (!chain->front().matches(*key))
    return Error(Errc::bad_config, "TLS: the private key is not the certificate's");
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if ((*chain)[i - 1].is_signed_by((*chain)[i])) continue;
    return Error(Errc::bad_config, "TLS: certificate " + std::to_string(i) +
                                       " of the chain is not signed by the one after it");
  }
  if (SSL_CTX_use_certificate(&context, chain->front().native()) != 1)
    return failed("the certificate cannot be used");
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(&context, (*chain)[i].native()) != 1)
      return failed("certificate " + std::to_string(i + 1) + " of the chain cannot be used");
  }
  if (SSL_CTX_use_PrivateKey(&context, key->native()) != 1)
    return failed("the private key cannot be used");
  return {};
}

bool needs_roots(const TlsOptions& options) {
  return options.role == TlsRole::client || options.client_certificate != ClientCertificate::none;
}

Result<void> trust_roots(SSL_CTX& context, const TlsOptions& options) {
  if (!needs_roots(options)) return {};
  const auto roots = Certificate::all_from_pem(options.roots);
  if (!roots) return Error(roots.error().code, "trusted " + roots.error().detail);
  X509_STORE* store = SSL_CTX_get_cert_store(&context);
  for (const Certificate& root : *roots) {
    if (!root.is_ca()) return Error(Errc::bad_config, "TLS: a trusted certificate is not a CA's");
    if (X509_STORE_add_cert(store, root.native()) != 1)
      return failed("a trusted certificate cannot be used");
    if (options.role == TlsRole::server && SSL_CTX_add_client_CA(&context, root.native()) != 1)
      return failed("a trusted certificate cannot be named to clients");
  }
  return {};
}

int mode_of(const TlsOptions& options) {
  if (!needs_roots(options)) return SSL_VERIFY_NONE;
  if (options.client_certificate == ClientCertificate::required)
    return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  return SSL_VERIFY_PEER;
}

}  // namespace

TlsContext::TlsContext(std::shared_ptr<ssl_ctx_st> held, const TlsOptions& options)
    : held_(std::move(held)),
      role_(options.role),
      records_per_key_(std::max<std::uint64_t>(options.records_per_key, 1)) {}

Result<std::shared_ptr<const TlsContext>> TlsContext::make(const TlsOptions& options) {
  const bool is_server = options.role == TlsRole::server;
  std::shared_ptr<SSL_CTX> held(SSL_CTX_new(is_server ? TLS_server_method() : TLS_client_method()),
                                SSL_CTX_free);
  if (!held) return failed("no context");
  if (auto set = set_protocol(*held, options); !set) return set.error();
  if (auto used = use_identity(*held, options); !used) return used.error();
  if (auto trusted = trust_roots(*held, options); !trusted) return trusted.error();
  SSL_CTX_set_verify(held.get(), mode_of(options), nullptr);
  SSL_CTX_set_verify_depth(held.get(), kChainMax);
  SSL_CTX_set_cert_verify_callback(held.get(), verify_peer, const_cast<Clock*>(options.clock));
  ERR_clear_error();
  return std::shared_ptr<const TlsContext>(new TlsContext(std::move(held), options));
}

}  // namespace pannier::net
