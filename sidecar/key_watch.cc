#include "sidecar/key_watch.h"

#include "common/log.h"

namespace pannier {

KeyWatch::KeyWatch(Executor& loop, Executor& pool, std::string folder, Keys in_use, Use use)
    : loop_(loop),
      pool_(pool),
      folder_(std::move(folder)),
      in_use_(std::move(in_use)),
      use_(std::move(use)),
      alive_(std::make_shared<KeyWatch*>(this)) {}

KeyWatch::~KeyWatch() { *alive_ = nullptr; }

void KeyWatch::look() {
  if (std::exchange(is_looking_, true)) return;
  pool_.post([&loop = loop_, alive = alive_, folder = folder_] {
    auto keys = spool::KeyRing::load(folder);
    loop.post([alive, keys = std::move(keys)]() mutable {
      if (*alive != nullptr) (*alive)->on_read(std::move(keys));
    });
  });
}

void KeyWatch::on_read(Result<Keys> keys) {
  is_looking_ = false;
  if (!keys) return refuse(keys.error().detail);
  if (!(*keys)->is_same_as(*in_use_)) {
    if (auto used = use_(*keys); !used) return refuse(used.error().detail);
    in_use_ = std::move(*keys);
    log::info("the spool's keys have changed",
              {{"folder", folder_}, {"current", in_use_->current()}});
  }
  error_.clear();
}

void KeyWatch::refuse(const std::string& why) {
  if (why != error_)
    log::error("the spool's keys cannot be used as they are; the last ones still count",
               {{"folder", folder_}, {"error", why}});
  error_ = why;
}

}  // namespace pannier
