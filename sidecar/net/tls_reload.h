// TlsReload: the TlsContext that the files of a certificate, its key and the trusted CAs make now,
// and again whenever they have changed.
//
// Owned by the agent, which calls reload() at times and on SIGHUP; any thread, one reload at a
// time. Streams keep the context that they began with. A new set takes over only as a whole: when
// all of it can be read, the key is the certificate's, and today is within the leaf's dates and
// those of at least one root. Until then the old one stays, and the error (io_error, bad_config)
// says what is wrong. Nothing survives a restart but the files.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "common/private_key.h"
#include "sidecar/net/tls_context.h"

namespace pannier::net {

struct TlsFiles {
  std::string certificate;  // the chain, the leaf first
  std::string key;
  std::string ca;  // empty for a server that asks for no certificates
};

class TlsReload {
 public:
  // `role`, `client_certificate`, `version_max` and `clock` are taken from the options.
  static Result<std::unique_ptr<TlsReload>> open(TlsFiles files, const TlsOptions& options);

  Result<bool> reload();  // true: a new set took over; false: nothing has changed

  std::shared_ptr<const TlsContext> current() const;
  WallTime not_after() const;  // of the current leaf
  // content_hash of the text of `ca` that is in use; empty without one.
  std::string trust_bundle() const;

 private:
  struct Set {
    std::shared_ptr<const TlsContext> context;
    WallTime not_after{};
    std::string hash;  // of what it was made from
    std::string roots_hash;
  };

  TlsReload(TlsFiles files, const TlsOptions& options) : files_(std::move(files)) {
    options_ = options;
  }
  Result<Set> read(const std::string& hash_now) const;

  const TlsFiles files_;
  TlsOptions options_;
  mutable std::mutex mutex_;  // over set_
  Set set_;
};

}  // namespace pannier::net
