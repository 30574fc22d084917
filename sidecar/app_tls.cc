#include "sidecar/app_tls.h"

namespace pannier {

Result<std::unique_ptr<AppTls>> AppTls::make(AppFolder folder, const Clock& clock) {
  std::unique_ptr<AppTls> made(new AppTls(std::move(folder), clock));
  if (auto done = made->renew(); !done) return done.error();
  return made;
}

Result<void> AppTls::renew() {
  const WallTime now = wall_time(clock_.now_ms());
  if (current_ && not_after_ - now > AppFolder::kLeafValidity / 2) return {};
  const auto leaf = folder_.make_leaf(now);
  if (!leaf) return leaf.error();
  net::TlsOptions options;
  options.chain = leaf->certificate_pem;
  options.key = leaf->key_pem;
  options.clock = &clock_;
  auto context = net::TlsContext::make(options);
  if (!context) return context.error();
  current_ = std::move(*context);
  not_after_ = leaf->not_after;
  return {};
}

}  // namespace pannier
