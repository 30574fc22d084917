// Output: what a session has to send: small owned bytes and slices of shared messages, in order, to
// be gathered into one write.
//
// Owned by the session, which fills it, and taken by the connection, which writes it. Small pieces
// are copied together into one buffer; a large slice is kept as it is and shares its owner. Loop
// thread.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "common/buffer.h"

namespace pannier::net {

class Output {
 public:
  static constexpr std::size_t kCopyMax = 2048;  // a slice of up to this many bytes is copied

  // Bytes to append to; valid until the next call of another function.
  Bytes& owned() { return owned_; }
  void put(ByteView bytes) { owned_.insert(owned_.end(), bytes.begin(), bytes.end()); }
  void put(const Slice& slice) {
    if (slice.size() <= kCopyMax) {
      put(slice.view());
      return;
    }
    cuts_.push_back({owned_.size(), slice});
    shared_bytes_ += slice.size();
  }
  // All of the other, which is empty afterwards.
  void put(Output&& other) {
    for (Cut& cut : other.cuts_) cuts_.push_back({owned_.size() + cut.at, std::move(cut.slice)});
    shared_bytes_ += other.shared_bytes_;
    put(other.owned_);
    other.clear();
  }

  std::size_t size() const { return owned_.size() + shared_bytes_; }
  bool empty() const { return size() == 0; }
  // Keeps its memory.
  void clear() { owned_.clear(), cuts_.clear(), shared_bytes_ = 0; }

  // Appends the bytes in their order; they stay valid until the output changes.
  void gather(std::vector<ByteView>& views) const {
    std::size_t at = 0;
    const auto add = [&views](ByteView view) {
      if (!view.empty()) views.push_back(view);
    };
    for (const Cut& cut : cuts_) {
      add(ByteView(owned_).subspan(at, cut.at - at));
      add(cut.slice.view());
      at = cut.at;
    }
    add(ByteView(owned_).subspan(at));
  }

 private:
  struct Cut {
    std::size_t at = 0;  // comes before this byte of owned_
    Slice slice;
  };
  Bytes owned_;
  std::vector<Cut> cuts_;
  std::size_t shared_bytes_ = 0;
};

}  // namespace pannier::net
