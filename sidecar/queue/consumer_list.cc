#include "sidecar/queue/consumer_list.h"

#include <algorithm>

namespace pannier::queue {

void ConsumerList::add(Consumer& consumer) {
  Rank wanted{consumer.is_link, consumer.priority, {}, 0};
  auto at = std::find_if(ranks_.begin(), ranks_.end(),
                         [&](const Rank& rank) { return !rank.is_before(wanted); });
  if (at == ranks_.end() || wanted.is_before(*at)) at = ranks_.insert(at, std::move(wanted));
  at->consumers.push_back(&consumer);
  ++size_;
}

bool ConsumerList::remove(const Consumer& consumer) {
  for (auto rank = ranks_.begin(); rank != ranks_.end(); ++rank) {
    std::vector<Consumer*>& held = rank->consumers;
    const auto found = std::find(held.begin(), held.end(), &consumer);
    if (found == held.end()) continue;
    if (static_cast<std::size_t>(found - held.begin()) < rank->turn)
      --rank->turn;  // no one skipped
    held.erase(found);
    if (held.empty()) ranks_.erase(rank);
    --size_;
    if (active_ == &consumer) active_ = nullptr;
    return true;
  }
  return false;
}

Consumer* ConsumerList::pop() {
  if (ranks_.empty()) return nullptr;
  Consumer* last = ranks_.back().consumers.back();
  remove(*last);
  return last;
}

void ConsumerList::choose_active() {
  if (active_ == nullptr && !ranks_.empty()) active_ = ranks_.front().consumers.front();
}

Consumer* ConsumerList::next(const std::function<bool(const Consumer&)>& may, bool single_active) {
  if (single_active) {
    choose_active();
    return active_ != nullptr && may(*active_) ? active_ : nullptr;
  }
  for (Rank& rank : ranks_) {
    const std::size_t count = rank.consumers.size();
    for (std::size_t i = 0; i < count; ++i) {
      const std::size_t at = (rank.turn + i) % count;
      if (!may(*rank.consumers[at])) continue;
      rank.turn = at + 1;
      return rank.consumers[at];
    }
  }
  return nullptr;
}

}  // namespace pannier::queue
