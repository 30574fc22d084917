#include "sidecar/spool/changes.h"

#include <algorithm>

namespace pannier::spool {

Changes::Packed Changes::packed(const Change& change) {
  return {change.due,
          change.ordinal,
          change.delivery_count,
          change.acquired_count,
          change.reason,
          change.redelivered ? Packed::kRedelivered : std::uint8_t{0}};
}

Change Changes::unpacked(const Packed& packed) {
  return {packed.ordinal,        packed.delivery_count,
          packed.acquired_count, (packed.flags & Packed::kRedelivered) != 0,
          packed.reason,         packed.due};
}

Changes::Packed* Changes::find_in(std::vector<Packed>& sorted, Ordinal ordinal) {
  const auto at = std::ranges::lower_bound(sorted, ordinal, {}, &Packed::ordinal);
  return at == sorted.end() || at->ordinal != ordinal ? nullptr : &*at;
}

std::optional<Change> Changes::find(Ordinal ordinal) const {
  auto& self = const_cast<Changes&>(*this);
  for (auto* among : {&self.tail_, &self.sorted_})
    if (const Packed* found = find_in(*among, ordinal))
      return (found->flags & Packed::kErased) != 0 ? std::nullopt : std::optional(unpacked(*found));
  return {};
}

void Changes::put(const Change& change) {
  if (Packed* found = find_in(sorted_, change.ordinal)) {
    if ((found->flags & Packed::kErased) != 0) --erased_;
    *found = packed(change);
    return;
  }
  if (Packed* found = find_in(tail_, change.ordinal)) {
    *found = packed(change);
    return;
  }
  if (tail_.size() >= kTailMax) merge_tail();
  // Most come in rising order.
  if (tail_.empty() && (sorted_.empty() || sorted_.back().ordinal < change.ordinal) &&
      sorted_.size() < sorted_.capacity()) {
    sorted_.push_back(packed(change));
    return;
  }
  tail_.insert(std::ranges::upper_bound(tail_, change.ordinal, {}, &Packed::ordinal),
               packed(change));
}

void Changes::erase(Ordinal ordinal) {
  if (const Packed* found = find_in(tail_, ordinal)) {
    tail_.erase(tail_.begin() + (found - tail_.data()));
    return;
  }
  Packed* found = find_in(sorted_, ordinal);
  if (found == nullptr || (found->flags & Packed::kErased) != 0) return;
  found->flags |= Packed::kErased;
  ++erased_;
  if (erased_ * 2 > sorted_.size()) drop_erased();
}

void Changes::drop_erased() {
  std::erase_if(sorted_, [](const Packed& at) { return (at.flags & Packed::kErased) != 0; });
  erased_ = 0;
  if (sorted_.size() * 2 < sorted_.capacity()) sorted_.shrink_to_fit();
}

// An eighth is left over, not a half: doubling would cost as much again as the values.
void Changes::merge_tail() {
  const std::size_t had = sorted_.size();
  const std::size_t size = had + tail_.size();
  if (size > sorted_.capacity()) sorted_.reserve(size + size / 8);
  sorted_.resize(size);
  std::size_t from = had;
  std::size_t to = size;
  for (std::size_t left = tail_.size(); left > 0;) {
    const bool is_old_later = from > 0 && sorted_[from - 1].ordinal > tail_[left - 1].ordinal;
    sorted_[--to] = is_old_later ? sorted_[--from] : tail_[--left];
  }
  tail_.clear();
}

void Changes::for_each(const std::function<void(const Change&)>& visit) const {
  auto next = tail_.begin();
  for (const Packed& at : sorted_) {
    for (; next != tail_.end() && next->ordinal < at.ordinal; ++next) visit(unpacked(*next));
    if ((at.flags & Packed::kErased) == 0) visit(unpacked(at));
  }
  for (; next != tail_.end(); ++next) visit(unpacked(*next));
}

}  // namespace pannier::spool
