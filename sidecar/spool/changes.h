// Changes: how the entries of one segment stand that came back since their records were written.
//
// A million messages that wait for a retry are a million of these, so they are packed: 16 bytes
// each, in order, with a short tail of new ones beside. Owned by Segment; loop thread; no I/O.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "sidecar/spool/payload.h"

namespace pannier::spool {

class Changes {
 public:
  static constexpr std::size_t kTailMax = 256;

  // The latest of an ordinal counts.
  void put(const Change& change);
  // The entry is finished; nothing if it never changed.
  void erase(Ordinal ordinal);
  std::optional<Change> find(Ordinal ordinal) const;
  // In the order of ordinals.
  void for_each(const std::function<void(const Change&)>& visit) const;

  bool empty() const { return size() == 0; }
  std::size_t size() const { return sorted_.size() - erased_ + tail_.size(); }
  std::size_t bytes() const { return (sorted_.capacity() + tail_.capacity()) * sizeof(Packed); }

 private:
  struct Packed {
    static constexpr std::uint8_t kRedelivered = 1;
    static constexpr std::uint8_t kErased = 2;
    Milliseconds due = 0;
    Ordinal ordinal = 0;
    std::uint16_t delivery_count = 0;
    std::uint16_t acquired_count = 0;
    std::uint8_t reason = 0;
    std::uint8_t flags = 0;
  };
  static_assert(sizeof(Packed) == 16);

  static Packed packed(const Change& change);
  static Change unpacked(const Packed& packed);
  static Packed* find_in(std::vector<Packed>& sorted, Ordinal ordinal);
  void merge_tail();
  void drop_erased();

  std::vector<Packed> sorted_;  // by ordinal, with gaps where one was erased
  std::vector<Packed> tail_;    // by ordinal; none that stands in sorted_
  std::size_t erased_ = 0;
};

}  // namespace pannier::spool
