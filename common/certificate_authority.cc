#include "common/certificate_authority.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

#include "common/openssl_handle.h"
#include "common/random.h"

namespace pannier {
namespace {

using NamesHandle = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;
using ExtensionHandle = Handle<X509_EXTENSION, X509_EXTENSION_free>;
using NumberHandle = Handle<BIGNUM, BN_free>;

constexpr int kSecurityBitsMin = 112;  // RSA with 2,048 bits, P-224
constexpr std::chrono::seconds kValidityMax = std::chrono::hours(24) * 365 * 100;

Error cannot_make() { return openssl_error(Errc::bad_config, "certificate: cannot be made"); }

// Positive and of 128 bits whatever the dice say: the top bit is set and the next is not.
bool set_serial(X509& certificate) {
  std::array<std::byte, 16> bytes;
  fill_random(bytes);
  bytes[0] = (bytes[0] & std::byte{0x3f}) | std::byte{0x40};
  const NumberHandle number(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), nullptr));
  return number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(&certificate)) != nullptr;
}

bool set_dates(X509& certificate, WallTime from, WallTime to) {
  return ASN1_TIME_set(X509_getm_notBefore(&certificate), from.time_since_epoch().count()) &&
         ASN1_TIME_set(X509_getm_notAfter(&certificate), to.time_since_epoch().count());
}

// `value` is one of our constants: OpenSSL's little language must not see what others wrote.
bool add(X509& certificate, X509& issuer, int extension, const char* value) {
  X509V3_CTX context{};
  X509V3_set_ctx(&context, &issuer, &certificate, nullptr, nullptr, 0);
  const ExtensionHandle made(X509V3_EXT_conf_nid(nullptr, &context, extension, value));
  return made && X509_add_ext(&certificate, made.get(), -1) == 1;
}

bool push_name(GENERAL_NAMES& names, int type, std::string_view bytes) {
  ASN1_STRING* value =
      ASN1_STRING_type_new(type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);
  GENERAL_NAME* name = GENERAL_NAME_new();
  if (value == nullptr || name == nullptr ||
      ASN1_STRING_set(value, bytes.data(), static_cast<int>(bytes.size())) != 1) {
    ASN1_STRING_free(value);
    GENERAL_NAME_free(name);
    return false;
  }
  GENERAL_NAME_set0_value(name, type, value);
  if (sk_GENERAL_NAME_push(&names, name) > 0) return true;
  GENERAL_NAME_free(name);
  return false;
}

// What may stand in a DNS or URI name: ASCII that shows, without spaces.
bool is_plain(std::string_view text) {
  return !text.empty() && text.size() <= 2048 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

std::string ip_bytes(const std::string& text) {
  std::string bytes(16, '\0');
  if (text.find('\0') != text.npos) return {};
  if (inet_pton(AF_INET6, text.c_str(), bytes.data()) == 1) return bytes;
  bytes.resize(4);
  return inet_pton(AF_INET, text.c_str(), bytes.data()) == 1 ? bytes : std::string();
}

Result<void> add_names(X509& certificate, const LeafRequest& leaf) {
  const NamesHandle names(sk_GENERAL_NAME_new_null());
  if (!names) return cannot_make();
  for (const std::string& dns : leaf.dns) {
    if (!is_plain(dns)) return Error(Errc::bad_argument, "certificate: a DNS name is not one");
    if (!push_name(*names, GEN_DNS, dns)) return cannot_make();
  }
  for (const std::string& ip : leaf.ips) {
    const std::string bytes = ip_bytes(ip);
    if (bytes.empty()) return Error(Errc::bad_argument, "certificate: an IP address is not one");
    if (!push_name(*names, GEN_IPADD, bytes)) return cannot_make();
  }
  for (const std::string& uri : leaf.uris) {
    if (!is_plain(uri)) return Error(Errc::bad_argument, "certificate: a URI is not one");
    if (!push_name(*names, GEN_URI, uri)) return cannot_make();
  }
  if (sk_GENERAL_NAME_num(names.get()) == 0) {
    if (!leaf.common_name.empty()) return {};
    return Error(Errc::bad_argument, "certificate: a leaf needs a name of some kind");
  }
  const int critical = leaf.common_name.empty() ? 1 : 0;
  if (X509_add1_ext_i2d(&certificate, NID_subject_alt_name, names.get(), critical, 0) != 1)
    return cannot_make();
  return {};
}

const char* purposes_of(const LeafRequest& leaf) {
  if (leaf.is_server) return leaf.is_client ? "serverAuth,clientAuth" : "serverAuth";
  return "clientAuth";
}

Result<void> check(const Authority& ca, const PublicKey& subject, const LeafRequest& leaf,
                   WallTime now) {
  if (!ca.certificate.is_ca())
    return Error(Errc::bad_config, "certificate: the issuer is not a CA");
  if (!ca.certificate.matches(ca.key))
    return Error(Errc::bad_config, "certificate: the issuer's key is not its certificate's");
  if (!is_valid_at(ca.certificate, now))
    return Error(Errc::bad_config, "certificate: the issuer is expired or not valid yet");
  if (!leaf.is_server && !leaf.is_client)
    return Error(Errc::bad_argument, "certificate: it is for neither servers nor clients");
  if (leaf.validity <= std::chrono::seconds{0} || leaf.validity > kValidityMax)
    return Error(Errc::bad_argument, "certificate: its validity is not between 1 s and 100 years");
  if (EVP_PKEY_get_security_bits(subject.native()) < kSecurityBitsMin)
    return Error(Errc::bad_argument, "certificate: the subject's key is too weak");
  return {};
}

}  // namespace

Result<Authority> make_ca(std::string_view common_name, std::chrono::seconds validity,
                          WallTime now) {
  if (common_name.empty()) return Error(Errc::bad_argument, "certificate: a CA needs a name");
  if (validity <= std::chrono::seconds{0} || validity > kValidityMax)
    return Error(Errc::bad_argument, "certificate: its validity is not between 1 s and 100 years");
  auto key = PrivateKey::make();
  if (!key) return key.error();
  std::shared_ptr<X509> held(X509_new(), X509_free);
  if (!held) return cannot_make();
  X509& made = *held;
  if (auto named = set_common_name(*X509_get_subject_name(&made), common_name); !named)
    return named.error();
  if (!X509_set_version(&made, X509_VERSION_3) || !set_serial(made) ||
      !set_dates(made, now - kBackdated, now + validity) ||
      !X509_set_issuer_name(&made, X509_get_subject_name(&made)) ||
      !X509_set_pubkey(&made, key->native()) ||
      !add(made, made, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add(made, made, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add(made, made, NID_subject_key_identifier, "hash") ||
      !add(made, made, NID_authority_key_identifier, "keyid:always") ||
      X509_sign(&made, key->native(), EVP_sha256()) <= 0)
    return cannot_make();
  return Authority{Certificate(std::move(held)), std::move(*key)};
}

Result<Certificate> issue(const Authority& ca, const PublicKey& subject, const LeafRequest& leaf,
                          WallTime now) {
  if (auto fit = check(ca, subject, leaf, now); !fit) return fit.error();
  std::shared_ptr<X509> held(X509_new(), X509_free);
  if (!held) return cannot_make();
  X509& made = *held;
  X509& issuer = *ca.certificate.native();
  if (auto named = set_common_name(*X509_get_subject_name(&made), leaf.common_name); !named)
    return named.error();
  const WallTime from = std::max<WallTime>(now - kBackdated, ca.certificate.not_before());
  const WallTime to = std::min<WallTime>(now + leaf.validity, ca.certificate.not_after());
  if (!X509_set_version(&made, X509_VERSION_3) || !set_serial(made) || !set_dates(made, from, to) ||
      !X509_set_issuer_name(&made, X509_get_subject_name(&issuer)) ||
      !X509_set_pubkey(&made, subject.native()) ||
      !add(made, issuer, NID_basic_constraints, "critical,CA:FALSE") ||
      !add(made, issuer, NID_key_usage, "critical,digitalSignature") ||
      !add(made, issuer, NID_ext_key_usage, purposes_of(leaf)) ||
      !add(made, issuer, NID_subject_key_identifier, "hash") ||
      !add(made, issuer, NID_authority_key_identifier, "keyid:always"))
    return cannot_make();
  if (auto named = add_names(made, leaf); !named) return named.error();
  if (X509_sign(&made, ca.key.native(), EVP_sha256()) <= 0) return cannot_make();
  return Certificate(std::move(held));
}

}  // namespace pannier
