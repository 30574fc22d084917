#include "sidecar/file_watch.h"

#include "common/content_hash.h"
#include "common/files.h"
#include "common/log.h"

namespace pannier {

FileWatch::FileWatch(Executor& loop, Executor& pool, std::string file, OnText on_text)
    : loop_(loop),
      pool_(pool),
      file_(std::move(file)),
      on_text_(std::move(on_text)),
      alive_(std::make_shared<FileWatch*>(this)) {}

FileWatch::~FileWatch() { *alive_ = nullptr; }

void FileWatch::look() {
  if (std::exchange(is_looking_, true)) return;
  pool_.post([&loop = loop_, alive = alive_, file = file_] {
    auto text = read_file(file);
    loop.post([alive, text = std::move(text)]() mutable {
      if (*alive != nullptr) (*alive)->on_read(std::move(text));
    });
  });
}

void FileWatch::on_read(Result<std::string> text) {
  is_looking_ = false;
  if (!text) {
    if (text.error().detail != last_error_)
      log::warn("a file cannot be read; what it said before still counts",
                {{"file", file_}, {"error", text.error().detail}});
    last_error_ = text.error().detail;
    return;
  }
  last_error_.clear();
  std::string hash = content_hash(*text);
  if (hash == hash_) return;
  hash_ = std::move(hash);
  on_text_(*text);
}

}  // namespace pannier
