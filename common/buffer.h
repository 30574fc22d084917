// Buffer and Slice: bytes with a count of owners, so that a message's body is copied once and then
// serves the journal, the memory copy and every delivery.
//
// A Buffer is one allocation, written by whoever made it and not changed after it was shared. A
// Slice is a part of a Buffer and keeps it alive. The count is atomic: slices may be released on
// any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "common/bytes.h"

namespace pannier {

class Slice {
 public:
  Slice() = default;

  // A slice of fresh bytes, a copy of `from`.
  static Slice copy_of(ByteView from) {
    if (from.empty()) return {};
    auto owner = std::make_shared_for_overwrite<std::byte[]>(from.size());
    std::memcpy(owner.get(), from.data(), from.size());
    return Slice(std::move(owner), 0, from.size());
  }
  static Slice copy_of(std::string_view from) { return copy_of(as_bytes(from)); }

  Slice(std::shared_ptr<const std::byte[]> owner, std::size_t at, std::size_t size)
      : owner_(std::move(owner)), data_(owner_.get() + at), size_(size) {}

  ByteView view() const { return {data_, size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::string_view text() const { return as_text(view()); }

  // Shares the owner; `at + size` must lie within this slice.
  Slice part(std::size_t at, std::size_t size) const {
    Slice result = *this;
    result.data_ += at;
    result.size_ = size;
    return result;
  }

 private:
  std::shared_ptr<const std::byte[]> owner_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace pannier
