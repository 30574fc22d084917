#include "sidecar/queue/ready_lane.h"

#include <algorithm>
#include <cassert>
#include <utility>

namespace pannier::queue {

Item* ReadyLane::head() {
  const bool old = !returned.empty() &&
                   (window.empty() || returned.begin()->first < window.front().entry.sequence);
  if (old) return &returned.begin()->second;
  return window.empty() ? nullptr : &window.front();
}

Item ReadyLane::take_head() {
  Item* at = head();
  assert(at != nullptr);
  Item item = std::move(*at);
  if (!returned.empty() && at == &returned.begin()->second)
    returned.erase(returned.begin());
  else
    window.pop_front();
  return item;
}

std::deque<Item>::iterator ReadyLane::find_in_window(Sequence sequence) {
  const auto at =
      std::lower_bound(window.begin(), window.end(), sequence,
                       [](const Item& item, Sequence key) { return item.entry.sequence < key; });
  return at == window.end() || at->entry.sequence != sequence ? window.end() : at;
}

Item* ReadyLane::find(Sequence sequence) {
  if (const auto found = returned.find(sequence); found != returned.end()) return &found->second;
  const auto at = find_in_window(sequence);
  return at == window.end() ? nullptr : &*at;
}

Item ReadyLane::take(Sequence sequence) {
  if (auto node = returned.extract(sequence)) return std::move(node.mapped());
  const auto at = find_in_window(sequence);
  assert(at != window.end());
  Item item = std::move(*at);
  window.erase(at);
  return item;
}

void ReadyLane::clear(Sequence up_to) {
  window.clear();
  returned.clear();
  more_on_disk = false;
  window_end = std::max(window_end, up_to);
}

}  // namespace pannier::queue
