// The check of a peer's certificate, and the reasons that it gives.
//
// For tls_context.cc and tls_stream.cc alone: it includes OpenSSL. Pure functions; loop thread.
// Reasons never hold what the peer's certificate says.
#pragma once

#include <openssl/ssl.h>

#include <string>

#include "common/result.h"

namespace pannier::net {

// Whom a client means to reach; a stream hangs it onto its SSL as app data.
struct TlsExpected {
  std::string host;        // DNS name or IP address; OpenSSL compares it
  std::string spiffe_uri;  // instead of a host
};

// For SSL_CTX_set_cert_verify_callback; `clock` is a const Clock*.
int verify_peer(X509_STORE_CTX* store, void* clock);

// The newest failure of this SSL, as an error; empties the error queue.
Error tls_error(const SSL& ssl);

}  // namespace pannier::net
