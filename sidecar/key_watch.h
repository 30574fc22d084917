// KeyWatch: reads the folder of the spool's keys again and again, off the loop, and hands the spool
// what has changed.
//
// Owned by Agent; loop thread, but for the reading, which is the pool's. Keys that cannot be used
// are said once, and tried again at each look: those before still count. Keys are never logged.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/executor.h"
#include "sidecar/spool/key_ring.h"

namespace pannier {

using Keys = std::shared_ptr<const spool::KeyRing>;

class KeyWatch {
 public:
  // Errors: these keys cannot be used (yet).
  using Use = std::function<Result<void>(Keys keys)>;

  KeyWatch(Executor& loop, Executor& pool, std::string folder, Keys in_use, Use use);
  ~KeyWatch();
  KeyWatch(const KeyWatch&) = delete;
  KeyWatch& operator=(const KeyWatch&) = delete;

  void look();
  std::uint32_t current() const { return in_use_->current(); }
  // Why the keys are not those that the folder has now; empty: they are.
  const std::string& error() const { return error_; }

 private:
  void on_read(Result<Keys> keys);
  void refuse(const std::string& why);

  Executor& loop_;
  Executor& pool_;
  const std::string folder_;
  Keys in_use_;
  Use use_;
  std::string error_;
  bool is_looking_ = false;
  std::shared_ptr<KeyWatch*> alive_;
};

}  // namespace pannier
