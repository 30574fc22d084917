#include "sidecar/queue/dedup_window.h"

#include <openssl/sha.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace pannier::queue {
namespace {

constexpr std::size_t kSlotsMin = 64;

}  // namespace

DedupId dedup_id_of(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  DedupId id;
  std::memcpy(id.hash.data(), digest.data(), id.hash.size());
  return id;
}

std::size_t DedupWindow::home_of(const DedupId& id) const {
  std::uint64_t bits = 0;
  std::memcpy(&bits, id.hash.data(), sizeof bits);
  return bits & (table_.size() - 1);
}

const DedupId& DedupWindow::id_at(Place place) const {
  const Number first = first_ % kPlaces;
  const Number number = place - 1;
  return held_[number >= first ? number - first : number + kPlaces - first].id;
}

const DedupWindow::Place* DedupWindow::slot_of(const DedupId& id) const {
  std::size_t slot = home_of(id);
  while (table_[slot] != kEmpty && id_at(table_[slot]) != id)
    slot = (slot + 1) & (table_.size() - 1);
  return &table_[slot];
}

void DedupWindow::push(const Held& held) {
  if ((used_ + 1) * 4 > table_.size() * 3) resize(std::max(kSlotsMin, table_.size() * 2));
  const Place place = place_of(next());
  held_.push_back(held);
  Place& slot = table_[static_cast<std::size_t>(slot_of(held.id) - table_.data())];
  if (slot == kEmpty) ++used_;
  slot = place;
}

// Its place may name a later one of the same id: that one stays.
void DedupWindow::pop() {
  const Place place = place_of(first_);
  const Place* slot = slot_of(held_.front().id);
  if (*slot == place) erase(static_cast<std::size_t>(slot - table_.data()));
  held_.pop_front();
  ++first_;
  if (table_.size() > kSlotsMin && used_ * 8 < table_.size()) resize(table_.size() / 2);
}

// Those that follow move up, so that no search ends too early.
void DedupWindow::erase(std::size_t slot) {
  const std::size_t mask = table_.size() - 1;
  --used_;
  for (std::size_t next = (slot + 1) & mask; table_[next] != kEmpty; next = (next + 1) & mask) {
    const std::size_t home = home_of(id_at(table_[next]));
    if (((next - home) & mask) < ((next - slot) & mask)) continue;
    table_[slot] = table_[next];
    slot = next;
  }
  table_[slot] = kEmpty;
}

void DedupWindow::resize(std::size_t slots) {
  const std::vector<Place> old = std::exchange(table_, std::vector<Place>(slots, kEmpty));
  for (const Place place : old) {
    if (place == kEmpty) continue;
    std::size_t slot = home_of(id_at(place));
    while (table_[slot] != kEmpty) slot = (slot + 1) & (slots - 1);
    table_[slot] = place;
  }
}

}  // namespace pannier::queue
