// ModelKeys: the folder of keys beside a model's spool: a key is added, becomes the current one,
// and goes as soon as the spool says that nothing needs it.
//
// Owned by the test; outlives the spool's lives, as a Secret does.
#pragma once

#include <algorithm>
#include <map>
#include <memory>

#include "sidecar/spool/spool.h"

namespace pannier::spool {

class ModelKeys {
 public:
  std::shared_ptr<const KeyRing> ring() const { return std::make_shared<KeyRing>(keys_, current_); }

  Result<void> rotate(Spool& spool) {
    ++current_;
    keys_[current_] = key_of(current_);
    return spool.use_keys(ring());
  }
  Result<void> retire(Spool& spool) {
    const auto needed = spool.key_ids();
    retired += std::erase_if(keys_, [&](const auto& key) {
      return key.first != current_ && std::ranges::find(needed, key.first) == needed.end();
    });
    return spool.use_keys(ring());
  }
  std::size_t retired = 0;

 private:
  static KeyBytes key_of(std::uint32_t id) {
    KeyBytes key;
    for (std::size_t i = 0; i < key.size(); ++i) key[i] = static_cast<std::byte>(id * 31 + i);
    return key;
  }

  std::uint32_t current_ = 1;
  std::map<std::uint32_t, KeyBytes> keys_{{1, key_of(1)}};
};

}  // namespace pannier::spool
