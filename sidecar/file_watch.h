// FileWatch: reads a file again and again, off the loop, and says when it has changed.
//
// Owned by Agent; loop thread, but for the reading, which is the pool's. A file that cannot be read
// is said once, and is no change: what it held before still counts.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "common/executor.h"
#include "common/result.h"

namespace pannier {

class FileWatch {
 public:
  // Called on the loop with the whole text, first and then when it is another.
  using OnText = std::function<void(const std::string& text)>;

  FileWatch(Executor& loop, Executor& pool, std::string file, OnText on_text);
  ~FileWatch();
  FileWatch(const FileWatch&) = delete;
  FileWatch& operator=(const FileWatch&) = delete;

  void look();
  const std::string& file() const { return file_; }
  // Of what was last read; empty: nothing yet.
  const std::string& hash() const { return hash_; }

 private:
  void on_read(Result<std::string> text);

  Executor& loop_;
  Executor& pool_;
  const std::string file_;
  OnText on_text_;
  std::string hash_;
  std::string last_error_;
  bool is_looking_ = false;
  std::shared_ptr<FileWatch*> alive_;
};

}  // namespace pannier
