#include "common/openssl_handle.h"

#include <openssl/pem.h>

#include <utility>

namespace pannier {
namespace {

constexpr std::size_t kCommonNameBytesMax = 64;  // X.509's own limit

std::size_t count_begins(std::string_view text) {
  constexpr std::string_view kBegin = "-----BEGIN";
  std::size_t count = 0;
  for (std::size_t at = 0; (at = text.find(kBegin, at)) != text.npos; at += kBegin.size()) ++count;
  return count;
}

}  // namespace

Error openssl_error(Errc code, std::string what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  if (reason != nullptr) what.append(" (").append(reason).append(")");
  ERR_clear_error();
  return {code, std::move(what)};
}

PemBlock::PemBlock(PemBlock&& other) noexcept
    : name_(std::exchange(other.name_, nullptr)),
      header_(std::exchange(other.header_, nullptr)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)) {}

PemBlock::~PemBlock() {
  OPENSSL_free(name_);
  OPENSSL_free(header_);
  OPENSSL_clear_free(data_, size_);
}

Result<std::vector<PemBlock>> pem_blocks(std::string_view text) {
  if (text.size() > kPemBytesMax)
    return Error(Errc::bad_config, "the PEM text has more than 1 MiB");
  const BioHandle bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  if (!bio) return openssl_error(Errc::bad_config, "cannot read the PEM text");
  ERR_clear_error();
  std::vector<PemBlock> blocks;
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1)
    blocks.emplace_back(name, header, data, size);
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end || count_begins(text) != blocks.size()) {
    if (at_end) ERR_clear_error();
    return openssl_error(Errc::bad_config,
                         "PEM block " + std::to_string(blocks.size() + 1) + " is broken");
  }
  ERR_clear_error();
  if (blocks.empty()) return Error(Errc::bad_config, "there is no PEM block");
  return blocks;
}

std::string text_of(BIO& bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(&bio, &data);
  return size > 0 ? std::string(data, static_cast<std::size_t>(size)) : std::string();
}

std::string common_name_of(const X509_NAME& name) {
  int last = -1;
  for (int at = -1; (at = X509_NAME_get_index_by_NID(&name, NID_commonName, at)) >= 0;) last = at;
  if (last < 0) return {};
  unsigned char* utf8 = nullptr;
  const int size =
      ASN1_STRING_to_UTF8(&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(&name, last)));
  if (size < 0) return ERR_clear_error(), std::string();
  std::string text(reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size));
  OPENSSL_free(utf8);
  return text;
}

Result<void> set_common_name(X509_NAME& name, std::string_view common_name) {
  if (common_name.empty()) return {};
  if (common_name.size() > kCommonNameBytesMax)
    return Error(Errc::bad_argument, "a common name has at most 64 bytes");
  if (X509_NAME_add_entry_by_NID(&name, NID_commonName, MBSTRING_UTF8,
                                 reinterpret_cast<const unsigned char*>(common_name.data()),
                                 static_cast<int>(common_name.size()), -1, 0) != 1)
    return openssl_error(Errc::bad_argument, "the common name is not valid UTF-8");
  return {};
}

}  // namespace pannier
