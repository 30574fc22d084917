#include "common/private_key.h"

#include <openssl/pem.h>

#include <optional>
#include <string>

#include "common/openssl_handle.h"

namespace pannier {
namespace {

bool holds_key(std::string_view block) {
  return block == "PRIVATE KEY" || block == "EC PRIVATE KEY" || block == "RSA PRIVATE KEY";
}

}  // namespace

SecretText::~SecretText() { OPENSSL_cleanse(text_.data(), text_.size()); }

bool PublicKey::operator==(const PublicKey& other) const {
  const bool same = EVP_PKEY_eq(native(), other.native()) == 1;
  ERR_clear_error();
  return same;
}

Result<PrivateKey> PrivateKey::make() {
  std::shared_ptr<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  if (!key) return openssl_error(Errc::bad_config, "cannot make a P-256 key");
  return PrivateKey(std::move(key));
}

Result<PrivateKey> PrivateKey::from_pem(std::string_view pem) {
  const auto blocks = pem_blocks(pem);
  if (!blocks) return Error(blocks.error().code, "private key: " + blocks.error().detail);
  std::shared_ptr<EVP_PKEY> key;
  for (const PemBlock& block : *blocks) {
    if (block.name() == "EC PARAMETERS") continue;  // `openssl ecparam -genkey` puts it first
    if (block.name() == "ENCRYPTED PRIVATE KEY" || block.has_header())
      return Error(Errc::bad_config, "private key: it is encrypted; give it without a password");
    if (!holds_key(block.name()))
      return Error(Errc::bad_config, "private key: the PEM block is another thing");
    if (key) return Error(Errc::bad_config, "private key: the PEM text holds more than one");
    const unsigned char* at = block.data().data();
    key.reset(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(block.data().size())),
              EVP_PKEY_free);
    if (!key || at != block.data().data() + block.data().size())
      return openssl_error(Errc::bad_config, "private key: cannot be decoded");
  }
  ERR_clear_error();
  if (!key) return Error(Errc::bad_config, "private key: the PEM text holds none");
  return PrivateKey(std::move(key));
}

Result<SecretText> PrivateKey::to_pem() const {
  const BioHandle bio(BIO_new(BIO_s_mem()));  // its memory is cleansed when it goes
  if (!bio || PEM_write_bio_PKCS8PrivateKey(bio.get(), native(), nullptr, nullptr, 0, nullptr,
                                            nullptr) != 1)
    return openssl_error(Errc::bad_config, "private key: cannot be written");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  const ByteView text = as_bytes({data, static_cast<std::size_t>(size)});
  return SecretText(Bytes(text.begin(), text.end()));
}

}  // namespace pannier
