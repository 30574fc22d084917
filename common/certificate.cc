#include "common/certificate.h"

#include <arpa/inet.h>
#include <openssl/pem.h>

#include <array>
#include <ctime>

#include "common/openssl_handle.h"

namespace pannier {
namespace {

using NamesHandle = Handle<GENERAL_NAMES, GENERAL_NAMES_free>;

Error not_read(std::string why) { return {Errc::bad_config, "certificate: " + std::move(why)}; }

std::string hex_of(std::span<const unsigned char> bytes) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string hex;
  hex.reserve(bytes.size() * 2);
  for (const unsigned char byte : bytes) {
    hex += kHex[byte >> 4];
    hex += kHex[byte & 15];
  }
  return hex;
}

std::string_view view_of(const ASN1_STRING& text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(&text)),
          static_cast<std::size_t>(ASN1_STRING_length(&text))};
}

// An address of a size that no family has gives nothing.
std::string ip_text(std::string_view bytes) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
  if (bytes.size() != 4 && bytes.size() != 16) return {};
  return inet_ntop(family, bytes.data(), text.data(), text.size());
}

std::vector<std::string> names_of(X509* certificate, int type) {
  std::vector<std::string> found;
  const NamesHandle names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  ERR_clear_error();
  for (int i = 0; i < sk_GENERAL_NAME_num(names.get()); ++i) {
    int kind = 0;
    const void* value = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names.get(), i), &kind);
    if (kind != type) continue;
    const std::string_view text = view_of(*static_cast<const ASN1_STRING*>(value));
    found.push_back(type == GEN_IPADD ? ip_text(text) : std::string(text));
  }
  return found;
}

WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return ERR_clear_error(), WallTime{};
  return WallTime(std::chrono::seconds(timegm(&parts)));
}

Result<Certificate> decode(const PemBlock& block) {
  if (block.name() != "CERTIFICATE") return not_read("a PEM block is another thing");
  const std::span<const unsigned char> data = block.data();
  const unsigned char* at = data.data();
  std::shared_ptr<X509> held(d2i_X509(nullptr, &at, static_cast<long>(data.size())), X509_free);
  if (!held) return openssl_error(Errc::bad_config, "certificate: cannot be decoded");
  if (at != data.data() + data.size()) return not_read("there are bytes behind it in its block");
  if (X509_get0_pubkey(held.get()) == nullptr)
    return openssl_error(Errc::bad_config, "certificate: its key cannot be read");
  if (ASN1_TIME_to_tm(X509_get0_notBefore(held.get()), nullptr) != 1 ||
      ASN1_TIME_to_tm(X509_get0_notAfter(held.get()), nullptr) != 1)
    return openssl_error(Errc::bad_config, "certificate: its dates cannot be read");
  return Certificate(std::move(held));
}

}  // namespace

Result<Certificate> Certificate::from_pem(std::string_view pem) {
  auto all = all_from_pem(pem);
  if (!all) return all.error();
  if (all->size() != 1) return not_read("the PEM text holds more than one");
  return std::move(all->front());
}

Result<std::vector<Certificate>> Certificate::all_from_pem(std::string_view pem) {
  const auto blocks = pem_blocks(pem);
  if (!blocks) return not_read(blocks.error().detail);
  if (blocks->size() > kBundleMax) return not_read("the PEM text holds more than 256");
  std::vector<Certificate> all;
  for (const PemBlock& block : *blocks) {
    auto one = decode(block);
    if (!one) return one.error();
    all.push_back(std::move(*one));
  }
  return all;
}

std::string Certificate::to_pem() const {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509(bio.get(), native()) != 1) return ERR_clear_error(), std::string();
  return text_of(*bio);
}

std::string Certificate::common_name() const {
  return common_name_of(*X509_get_subject_name(native()));
}

std::vector<std::string> Certificate::dns_names() const { return names_of(native(), GEN_DNS); }
std::vector<std::string> Certificate::ip_addresses() const { return names_of(native(), GEN_IPADD); }
std::vector<std::string> Certificate::uris() const { return names_of(native(), GEN_URI); }

std::optional<std::string> Certificate::spiffe_uri() const {
  std::vector<std::string> all = uris();
  if (all.size() != 1 || !all.front().starts_with("spiffe://")) return std::nullopt;
  return std::move(all.front());
}

std::string Certificate::serial() const {
  const ASN1_INTEGER* serial = X509_get0_serialNumber(native());
  const std::string_view bytes = view_of(*serial);
  return hex_of({reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()});
}

WallTime Certificate::not_before() const { return time_of(X509_get0_notBefore(native())); }
WallTime Certificate::not_after() const { return time_of(X509_get0_notAfter(native())); }

std::string Certificate::fingerprint() const {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(native(), EVP_sha256(), digest.data(), &size) != 1)
    return ERR_clear_error(), std::string();
  return hex_of(std::span(digest).first(size));
}

// 1 is a CA by its basicConstraints; the other kinds are guesses about certificates of old.
bool Certificate::is_ca() const {
  const bool is = X509_check_ca(native()) == 1;
  ERR_clear_error();
  return is;
}

PublicKey Certificate::public_key() const {
  return PublicKey(std::shared_ptr<EVP_PKEY>(X509_get_pubkey(native()), EVP_PKEY_free));
}

bool Certificate::is_signed_by(const Certificate& ca) const {
  const bool is = ca.is_ca() && X509_check_issued(ca.native(), native()) == X509_V_OK &&
                  X509_verify(native(), X509_get0_pubkey(ca.native())) == 1;
  ERR_clear_error();
  return is;
}

bool Certificate::matches(const PrivateKey& key) const { return public_key() == key.public_key(); }

bool is_valid_at(const Certificate& certificate, WallTime now) {
  return certificate.not_before() <= now && now <= certificate.not_after();
}

}  // namespace pannier
