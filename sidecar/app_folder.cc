#include "sidecar/app_folder.h"

#include <algorithm>

#include "common/files.h"
#include "common/random.h"

namespace pannier {
namespace {

constexpr mode_t kOwn = 0600;
constexpr mode_t kForTheApp = 0444;
constexpr std::chrono::hours kCaValidity{24 * 365 * 10};  // no pod lives longer
constexpr std::size_t kPasswordBytes = 24;

std::string in(const std::string& folder, const char* name) { return folder + "/" + name; }

Result<Authority> make_and_keep_ca(const std::string& folder, WallTime now) {
  auto made = make_ca("pannier app CA", kCaValidity, now);
  if (!made) return made;
  const auto key = made->key.to_pem();
  if (!key) return key.error();
  // The key first: a certificate without one would be of no use.
  if (auto done = write_file(in(folder, "app-ca.key"), key->view(), kOwn); !done)
    return done.error();
  if (auto done = write_file(in(folder, "app-ca.crt"), made->certificate.to_pem(), kOwn); !done)
    return done.error();
  return made;
}

Result<Authority> keep_ca(const std::string& folder, WallTime now) {
  const auto text = read_file(in(folder, "app-ca.crt"));
  if (!text && text.error().code == Errc::not_found) return make_and_keep_ca(folder, now);
  if (!text) return text.error();
  const auto key_text = read_file(in(folder, "app-ca.key"));
  if (!key_text) return key_text.error();
  auto certificate = Certificate::from_pem(*text);
  if (!certificate)
    return Error{Errc::bad_config, in(folder, "app-ca.crt") + ": " + certificate.error().detail};
  auto key = PrivateKey::from_pem(*key_text);
  if (!key) return Error{Errc::bad_config, in(folder, "app-ca.key") + ": " + key.error().detail};
  if (!certificate->matches(*key))
    return Error{Errc::bad_config, in(folder, "app-ca.key") + " is not the key of app-ca.crt"};
  return Authority{std::move(*certificate), std::move(*key)};
}

Result<std::string> keep_password(const std::string& folder) {
  const std::string file = in(folder, "app-password");
  auto text = read_file(file, 4'096);
  if (text && !text->empty()) return text;
  if (!text && text.error().code != Errc::not_found) return text;
  std::string made = random_hex(kPasswordBytes);
  if (auto done = write_file(file, made, kOwn); !done) return done.error();
  return made;
}

std::string url(const char* scheme, const std::string& credential, const AgentListener& listener,
                const char* path) {
  const std::string& address = listener.addresses.front();
  const bool is_v6 = address.find(':') != std::string::npos;
  return std::string(scheme) + "://" + credential + (is_v6 ? "[" + address + "]" : address) + ":" +
         std::to_string(listener.port) + path;
}

}  // namespace

Result<AppFolder> AppFolder::open(const AgentConfig& config, WallTime now) {
  const std::string& folder = config.folders.agent;
  if (auto made = make_folders(folder, 0700); !made) return made.error();
  if (auto made = make_folders(config.folders.app, 0755); !made) return made.error();
  auto ca = keep_ca(folder, now);
  if (!ca) return ca.error();
  auto password = keep_password(folder);
  if (!password) return password.error();
  std::vector<std::string> addresses{"127.0.0.1", "::1"};
  for (const AgentListener* listener : {&config.listeners.amqps, &config.listeners.https})
    addresses.insert(addresses.end(), listener->addresses.begin(), listener->addresses.end());
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  AppFolder made(std::move(*ca), std::move(*password), std::move(addresses));
  if (auto written = made.write(config); !written) return written.error();
  return made;
}

// Only what has changed is written: somebody may be reading.
Result<void> AppFolder::write(const AgentConfig& config) const {
  const std::string& folder = config.folders.app;
  const std::string credential = user_ + ":" + password_ + "@";
  std::vector<std::pair<const char*, std::string>> files{
      {"ca.crt", ca_.certificate.to_pem()}, {"username", user_}, {"password", password_}};
  if (config.listeners.amqps.enabled)
    files.emplace_back("amqp-url", url("amqps", credential, config.listeners.amqps, "/%2F"));
  if (config.listeners.https.enabled)
    files.emplace_back("http-url", url("https", "", config.listeners.https, ""));
  for (const auto& [name, text] : files) {
    const std::string file = in(folder, name);
    const auto before = read_file(file);
    if (before && *before == text) continue;
    if (auto written = write_file(file, text, kForTheApp); !written) return written;
  }
  return {};
}

Result<AppFolder::Leaf> AppFolder::make_leaf(WallTime now) const {
  const auto key = PrivateKey::make();
  if (!key) return key.error();
  LeafRequest request;
  request.common_name = "localhost";
  request.dns = {"localhost"};
  request.ips = addresses_;
  request.is_server = true;
  request.validity = kLeafValidity;
  const auto certificate = issue(ca_, key->public_key(), request, now);
  if (!certificate) return certificate.error();
  const auto text = key->to_pem();
  if (!text) return text.error();
  return Leaf{certificate->to_pem(), std::string(text->view()), certificate->not_after()};
}

}  // namespace pannier
