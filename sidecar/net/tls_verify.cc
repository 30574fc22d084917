#include "sidecar/net/tls_verify.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "common/certificate.h"
#include "common/clock.h"

namespace pannier::net {
namespace {

// The alerts by which a peer says that it does not believe who we are.
bool is_about_certificates(int alert) {
  switch (alert) {
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_CERTIFICATE_REQUIRED: return true;
    default: return false;
  }
}

std::string expected_of(const SSL& ssl) {
  const auto* expected = static_cast<const TlsExpected*>(SSL_get_app_data(&ssl));
  if (expected == nullptr) return "whom we expect";
  return expected->spiffe_uri.empty() ? expected->host : expected->spiffe_uri;
}

std::string refusal_of(const SSL& ssl, long verdict) {
  switch (verdict) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return "expired";
    case X509_V_ERR_CERT_NOT_YET_VALID: return "not valid yet";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_UNTRUSTED: return "unknown issuer";
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: return "not signed by the issuer that it names";
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return "wrong identity, it is not " + expected_of(ssl);
    case X509_V_ERR_INVALID_PURPOSE: return "not for this use (extended key usage)";
    default: return X509_verify_cert_error_string(verdict);
  }
}

bool has_uri(X509_STORE_CTX& store, const std::string& expected) {
  X509* leaf = X509_STORE_CTX_get0_cert(&store);
  X509_up_ref(leaf);
  return Certificate(std::shared_ptr<X509>(leaf, X509_free)).spiffe_uri() == expected;
}

}  // namespace

int verify_peer(X509_STORE_CTX* store, void* clock) {
  const std::int64_t now_ms = static_cast<const Clock*>(clock)->now_ms();
  X509_STORE_CTX_set_time(store, 0, wall_time(now_ms).time_since_epoch().count());
  const auto* ssl = static_cast<const SSL*>(
      X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  if (X509_verify_cert(store) != 1) return 0;
  if (SSL_is_server(ssl) == 1) return 1;
  const auto* expected = static_cast<const TlsExpected*>(SSL_get_app_data(ssl));
  const bool is_checked = expected != nullptr && !expected->host.empty();  // by OpenSSL, above
  if (is_checked && expected->spiffe_uri.empty()) return 1;
  if (expected != nullptr && !expected->spiffe_uri.empty() && has_uri(*store, expected->spiffe_uri))
    return 1;
  X509_STORE_CTX_set_error(store, X509_V_ERR_HOSTNAME_MISMATCH);
  return 0;
}

Error tls_error(const SSL& ssl) {
  const unsigned long code = ERR_peek_error();
  const int reason = ERR_GET_REASON(code);
  const char* text = ERR_reason_error_string(code);
  const std::string why = text != nullptr ? text : "unknown";
  ERR_clear_error();
  if (code == 0) return {Errc::closed, "TLS: the peer has ended the handshake"};
  const long verdict = SSL_get_verify_result(&ssl);
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
    return {Errc::not_authenticated,
            "TLS: the peer's certificate is refused: " + refusal_of(ssl, verdict)};
  if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
    return {Errc::not_authenticated, "TLS: the client shows no certificate, and must"};
  if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason >= SSL_AD_REASON_OFFSET) {
    if (is_about_certificates(reason - SSL_AD_REASON_OFFSET))
      return {Errc::not_authenticated, "TLS: the peer refuses our certificate: " + why};
    return {Errc::bad_frame, "TLS: the peer gave up: " + why};
  }
  return {Errc::bad_frame, "TLS: " + why};
}

}  // namespace pannier::net
