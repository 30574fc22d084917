#include "sidecar/net/tls_reload.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>

#include "common/content_hash.h"

namespace pannier::net {
namespace {

constexpr std::size_t kFileBytesMax = 1 << 20;

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

Result<SecretText> read_file(const std::string& path) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "rbe"));
  if (!file) return Error(Errc::io_error, path + ": " + std::strerror(errno));
  std::setvbuf(file.get(), nullptr, _IONBF, 0);  // a buffer would keep part of a key
  struct stat found {};
  if (::fstat(::fileno(file.get()), &found) != 0)
    return Error(Errc::io_error, path + ": cannot be read");
  const auto expected = static_cast<std::uint64_t>(std::max<off_t>(found.st_size, 0));
  if (expected > kFileBytesMax) return Error(Errc::bad_config, path + ": has more than 1 MiB");
  // As much as it has, and not as much as it may have: this is done each second, and is kept. One
  // byte more, to see whether it has grown meanwhile; then the next look reads it.
  Bytes text(expected + 1);
  const std::size_t size = std::fread(text.data(), 1, text.size(), file.get());
  if (std::ferror(file.get()) != 0 || size > expected)
    return Error(Errc::io_error, path + ": cannot be read");
  text.resize(size);
  return SecretText(std::move(text));
}

Error in_file(const std::string& path, const Error& error) {
  return {error.code, path + ": " + error.detail};
}

// A bundle may keep roots of the past, but one of them must be of use.
Result<void> check_roots(const TlsFiles& files, std::string_view pem, WallTime now) {
  if (files.ca.empty()) return {};
  const auto roots = Certificate::all_from_pem(pem);
  if (!roots) return in_file(files.ca, roots.error());
  const auto is_of_use = [now](const Certificate& root) { return is_valid_at(root, now); };
  if (std::any_of(roots->begin(), roots->end(), is_of_use)) return {};
  return Error(Errc::bad_config, files.ca + ": every CA in it is expired or not valid yet");
}

Result<WallTime> check_leaf(const TlsFiles& files, std::string_view pem, WallTime now) {
  const auto chain = Certificate::all_from_pem(pem);
  if (!chain) return in_file(files.certificate, chain.error());
  const Certificate& leaf = chain->front();
  if (leaf.not_before() > now)
    return Error(Errc::bad_config, files.certificate + ": the certificate is not valid yet");
  if (leaf.not_after() < now)
    return Error(Errc::bad_config, files.certificate + ": the certificate has expired");
  return leaf.not_after();
}

}  // namespace

Result<std::unique_ptr<TlsReload>> TlsReload::open(TlsFiles files, const TlsOptions& options) {
  std::unique_ptr<TlsReload> made(new TlsReload(std::move(files), options));
  if (auto loaded = made->reload(); !loaded) return loaded.error();
  return made;
}

Result<TlsReload::Set> TlsReload::read(const std::string& hash_now) const {
  const auto chain = read_file(files_.certificate);
  if (!chain) return chain.error();
  const auto key = read_file(files_.key);
  if (!key) return key.error();
  auto roots = files_.ca.empty() ? Result<SecretText>(SecretText(Bytes())) : read_file(files_.ca);
  if (!roots) return roots.error();

  Set set;
  for (const std::string_view text : {chain->view(), key->view(), roots->view()})
    set.hash += content_hash(text);
  if (set.hash == hash_now) return set;
  const WallTime now = wall_time(options_.clock->now_ms());
  const auto not_after = check_leaf(files_, chain->view(), now);
  if (!not_after) return not_after.error();
  if (auto fit = check_roots(files_, roots->view(), now); !fit) return fit.error();
  set.not_after = *not_after;
  if (!files_.ca.empty()) set.roots_hash = content_hash(roots->view());
  TlsOptions options = options_;
  options.chain = chain->view();
  options.key = key->view();
  options.roots = roots->view();
  auto context = TlsContext::make(options);
  if (!context) return in_file(files_.certificate + ", " + files_.key, context.error());
  set.context = std::move(*context);
  return set;
}

Result<bool> TlsReload::reload() {
  std::string hash_now;
  {
    const std::lock_guard lock(mutex_);
    hash_now = set_.hash;
  }
  auto set = read(hash_now);
  if (!set) return set.error();
  if (!set->context) return false;
  const std::lock_guard lock(mutex_);
  set_ = std::move(*set);
  return true;
}

std::shared_ptr<const TlsContext> TlsReload::current() const {
  const std::lock_guard lock(mutex_);
  return set_.context;
}

std::string TlsReload::trust_bundle() const {
  const std::lock_guard lock(mutex_);
  return set_.roots_hash;
}

WallTime TlsReload::not_after() const {
  const std::lock_guard lock(mutex_);
  return set_.not_after;
}

}  // namespace pannier::net
