// DedupWindow: the ids of messages that a queue has taken, oldest first, and whether one is there.
//
// Ids are hashes: of 1,000,000 a new one is taken for another with a chance of 1 in 10^22. They are
// numbered as they come. Some 32 bytes of memory an id. A value; loop thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>
#include <vector>

namespace pannier::queue {

struct DedupId {
  std::array<std::byte, 12> hash{};
  auto operator<=>(const DedupId&) const = default;
};
// Of a text from a client, who may choose it as he likes: the hash is a cryptographic one.
DedupId dedup_id_of(std::string_view text);

class DedupWindow {
 public:
  using Number = std::uint64_t;
  struct Held {
    DedupId id;
    std::uint32_t second = 0;  // of the wall clock, when the message came
  };

  bool contains(const DedupId& id) const { return !table_.empty() && *slot_of(id) != kEmpty; }
  // The latest; of an id that is there already the older one counts no more.
  void push(const Held& held);
  // The oldest goes.
  void pop();

  bool empty() const { return held_.empty(); }
  std::size_t size() const { return held_.size(); }
  Number first() const { return first_; }
  Number next() const { return first_ + held_.size(); }
  const Held& at(Number number) const { return held_[number - first_]; }
  // Of an empty one: the number of what comes next.
  void start_at(Number number) { first_ = number; }

 private:
  // Places in the table name numbers, counted from 1 and round: never more than 2^32 - 2 at a time.
  using Place = std::uint32_t;
  static constexpr Place kEmpty = 0;
  static constexpr Number kPlaces = 0xFFFFFFFF;
  static Place place_of(Number number) { return static_cast<Place>(number % kPlaces + 1); }

  std::size_t home_of(const DedupId& id) const;
  const DedupId& id_at(Place place) const;
  const Place* slot_of(const DedupId& id) const;
  void resize(std::size_t slots);
  void erase(std::size_t slot);

  std::deque<Held> held_;
  Number first_ = 0;
  std::vector<Place> table_;  // open addressing; its size is a power of 2
  std::size_t used_ = 0;
};

}  // namespace pannier::queue
