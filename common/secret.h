// Secret: a password or token that leaves nothing behind in memory when it goes.
//
// Not copied: whoever needs it in two places shares one. A value type without a thread of its own.
#pragma once

#include <openssl/crypto.h>

#include <string>
#include <string_view>

namespace pannier {

inline void cleanse(std::string& text) {
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

class Secret {
 public:
  explicit Secret(std::string_view text) : text_(text) {}
  ~Secret() { cleanse(text_); }
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  std::string_view text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace pannier
