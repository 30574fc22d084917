// AppTls: the certificate that the app's listeners show, made anew before it ends.
//
// Owned by Agent; loop thread. New connections get the current one, open ones keep theirs.
#pragma once

#include <memory>

#include "common/clock.h"
#include "sidecar/app_folder.h"
#include "sidecar/net/tls_context.h"

namespace pannier {

class AppTls {
 public:
  static Result<std::unique_ptr<AppTls>> make(AppFolder folder, const Clock& clock);

  const AppFolder& folder() const { return folder_; }
  std::shared_ptr<const net::TlsContext> current() const { return current_; }
  WallTime not_after() const { return not_after_; }
  // Makes a new one once half of the old one's time is over; at any other time does nothing.
  Result<void> renew();

 private:
  AppTls(AppFolder folder, const Clock& clock) : folder_(std::move(folder)), clock_(clock) {}

  AppFolder folder_;
  const Clock& clock_;
  std::shared_ptr<const net::TlsContext> current_;
  WallTime not_after_{};
};

}  // namespace pannier
