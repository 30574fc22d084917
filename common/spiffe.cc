#include "common/spiffe.h"

#include <algorithm>
#include <optional>

namespace pannier {
namespace {

constexpr std::string_view kScheme = "spiffe://";

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

// Letters and digits at both ends, and of `inside` only in between.
bool is_name(std::string_view text, std::size_t size_max, std::string_view inside) {
  if (text.empty() || text.size() > size_max) return false;
  if (!is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) return false;
  return std::all_of(text.begin(), text.end(), [inside](char c) {
    return is_lower_or_digit(c) || inside.find(c) != inside.npos;
  });
}

bool is_uid(std::string_view text) {
  const auto fits = [](char c) {
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '-';
  };
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), fits);
}

bool has_empty_label(std::string_view text) { return text.find("..") != text.npos; }

Result<void> check(const SpiffeId& id) {
  const auto wrong = [](std::string_view what) {
    return Error(Errc::bad_argument, "SPIFFE id: " + std::string(what) + " is not one");
  };
  if (!is_name(id.trust_domain, 255, "-._") || has_empty_label(id.trust_domain))
    return wrong("the trust domain");
  if (!is_name(id.namespace_name, 63, "-")) return wrong("the namespace");
  if (!is_name(id.service_account, 253, "-.") || has_empty_label(id.service_account))
    return wrong("the service account");
  if (!is_uid(id.pod_uid)) return wrong("the pod UID");
  return {};
}

// What stands before `end`, which is dropped with it.
std::optional<std::string> take_up_to(std::string_view end, std::string_view& rest) {
  const std::size_t at = rest.find('/');
  if (at == rest.npos || !rest.substr(at).starts_with(end)) return std::nullopt;
  std::string taken(rest.substr(0, at));
  rest.remove_prefix(at + end.size());
  return taken;
}

}  // namespace

Result<SpiffeId> parse_spiffe_id(std::string_view uri) {
  const Error shape(Errc::bad_argument,
                    "SPIFFE id: it must read spiffe://DOMAIN/ns/NAMESPACE/sa/ACCOUNT/pod/UID");
  if (!uri.starts_with(kScheme)) return shape;
  uri.remove_prefix(kScheme.size());
  auto trust_domain = take_up_to("/ns/", uri);
  auto namespace_name = trust_domain ? take_up_to("/sa/", uri) : std::nullopt;
  auto service_account = namespace_name ? take_up_to("/pod/", uri) : std::nullopt;
  if (!service_account) return shape;
  SpiffeId id{std::move(*trust_domain), std::move(*namespace_name), std::move(*service_account),
              std::string(uri)};
  if (auto fit = check(id); !fit) return fit.error();
  return id;
}

Result<std::string> to_uri(const SpiffeId& id) {
  if (auto fit = check(id); !fit) return fit.error();
  return std::string(kScheme) + id.trust_domain + "/ns/" + id.namespace_name + "/sa/" +
         id.service_account + "/pod/" + id.pod_uid;
}

}  // namespace pannier
