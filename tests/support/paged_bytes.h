// PagedBytes: the content of a file in memory, as pages of 4 KiB; pages of zeros take no memory.
//
// A value type. Pages never change once made, so that copies share them and are cheap, also across
// threads. The owner serialises calls. Positions and sizes are in bytes.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <span>

#include "common/bytes.h"

namespace pannier {

class PagedBytes {
 public:
  static constexpr std::size_t kPageSize = 4096;

  std::uint64_t size() const { return size_; }

  // Grows with zeros, or cuts off.
  void resize(std::uint64_t size) {
    if (size < size_) {
      pages_.erase(pages_.lower_bound((size + kPageSize - 1) / kPageSize), pages_.end());
      if (const auto last = pages_.find(size / kPageSize); last != pages_.end()) {
        auto page = std::make_shared<Page>(*last->second);
        std::fill(page->begin() + static_cast<std::ptrdiff_t>(size % kPageSize), page->end(),
                  std::byte{0});
        last->second = std::move(page);
      }
    }
    size_ = size;
  }

  // Grows the content where it has to.
  void write(std::uint64_t at, ByteView data) {
    size_ = std::max(size_, at + (data.empty() ? 0 : data.size()));
    while (!data.empty()) {
      const ByteView piece = data.first(std::min(data.size(), kPageSize - at % kPageSize));
      write_within_page(at, piece);
      at += piece.size();
      data = data.subspan(piece.size());
    }
  }

  // Fewer bytes only at the end.
  std::size_t read(std::uint64_t at, std::span<std::byte> into) const {
    if (at >= size_) return 0;
    into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_ - at)));
    for (std::size_t done = 0; done < into.size();) {
      const std::size_t offset = static_cast<std::size_t>((at + done) % kPageSize);
      const std::size_t count = std::min(into.size() - done, kPageSize - offset);
      const auto page = pages_.find((at + done) / kPageSize);
      if (page == pages_.end()) {
        std::memset(into.data() + done, 0, count);
      } else {
        std::memcpy(into.data() + done, page->second->data() + offset, count);
      }
      done += count;
    }
    return into.size();
  }

 private:
  using Page = std::array<std::byte, kPageSize>;

  void write_within_page(std::uint64_t at, ByteView piece) {
    const std::uint64_t index = at / kPageSize;
    const auto found = pages_.find(index);
    if (found == pages_.end() && all_zero(piece)) return;
    auto page =
        found == pages_.end() ? std::make_shared<Page>() : std::make_shared<Page>(*found->second);
    std::memcpy(page->data() + at % kPageSize, piece.data(), piece.size());
    if (all_zero(*page)) {
      pages_.erase(index);
    } else {
      pages_[index] = std::move(page);
    }
  }

  static bool all_zero(ByteView bytes) {
    return bytes[0] == std::byte{0} &&
           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0;
  }

  std::map<std::uint64_t, std::shared_ptr<const Page>> pages_;
  std::uint64_t size_ = 0;
};

}  // namespace pannier
