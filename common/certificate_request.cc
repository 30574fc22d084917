#include "common/certificate_request.h"

#include <openssl/pem.h>

#include "common/openssl_handle.h"

namespace pannier {
namespace {

Error not_read(std::string why) {
  return {Errc::bad_argument, "certificate request: " + std::move(why)};
}

}  // namespace

Result<CertificateRequest> CertificateRequest::make(const PrivateKey& key,
                                                    std::string_view common_name) {
  std::shared_ptr<X509_REQ> held(X509_REQ_new(), X509_REQ_free);
  if (!held) return openssl_error(Errc::bad_config, "certificate request: cannot be made");
  const auto named = set_common_name(*X509_REQ_get_subject_name(held.get()), common_name);
  if (!named) return named.error();
  if (X509_REQ_set_version(held.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(held.get(), key.native()) != 1 ||
      X509_REQ_sign(held.get(), key.native(), EVP_sha256()) <= 0)
    return openssl_error(Errc::bad_config, "certificate request: cannot be signed");
  return CertificateRequest(std::move(held));
}

Result<CertificateRequest> CertificateRequest::from_pem(std::string_view pem) {
  if (pem.size() > kPemBytesMax) return not_read("the PEM text has more than 16 KiB");
  const auto blocks = pem_blocks(pem);
  if (!blocks) return not_read(blocks.error().detail);
  if (blocks->size() != 1) return not_read("the PEM text holds more than one block");
  const PemBlock& block = blocks->front();
  if (block.name() != "CERTIFICATE REQUEST" && block.name() != "NEW CERTIFICATE REQUEST")
    return not_read("the PEM block is another thing");
  const unsigned char* at = block.data().data();
  std::shared_ptr<X509_REQ> held(d2i_X509_REQ(nullptr, &at, static_cast<long>(block.data().size())),
                                 X509_REQ_free);
  if (!held) return openssl_error(Errc::bad_argument, "certificate request: cannot be decoded");
  if (at != block.data().data() + block.data().size())
    return not_read("there are bytes behind it in its block");
  EVP_PKEY* key = X509_REQ_get0_pubkey(held.get());
  if (key == nullptr)
    return openssl_error(Errc::bad_argument, "certificate request: its key cannot be read");
  if (X509_REQ_verify(held.get(), key) != 1) {
    ERR_clear_error();
    return not_read("its signature is not made by its key");
  }
  return CertificateRequest(std::move(held));
}

std::string CertificateRequest::to_pem() const {
  const BioHandle bio(BIO_new(BIO_s_mem()));
  if (!bio || PEM_write_bio_X509_REQ(bio.get(), held_.get()) != 1)
    return ERR_clear_error(), std::string();
  return text_of(*bio);
}

std::string CertificateRequest::common_name() const {
  return common_name_of(*X509_REQ_get_subject_name(held_.get()));
}

PublicKey CertificateRequest::public_key() const {
  return PublicKey(std::shared_ptr<EVP_PKEY>(X509_REQ_get_pubkey(held_.get()), EVP_PKEY_free));
}

}  // namespace pannier
