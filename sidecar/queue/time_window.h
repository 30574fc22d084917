// TimeWindow: which messages of a queue have something due at a time: the next ones in memory, the
// others known to the spool only.
//
// Keys come in order of time, then sequence. It holds a limited number of them; what is beyond is
// left to the spool's own index, from which it is filled again (Spool::fetch_by_time) once it has
// run empty. Items that are nowhere else are never let go. Owned by Queue; loop thread.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <utility>

#include "sidecar/spool/spool.h"

namespace pannier::queue {

template <typename Value>
class TimeWindow {
 public:
  using Key = spool::TimeKey;

  bool empty() const { return held_.empty(); }
  std::size_t size() const { return held_.size(); }
  // The spool has more than is held here.
  bool is_partial() const { return is_partial_; }
  void set_partial(bool is_partial) { is_partial_ = is_partial; }
  // Everything up to here has been popped once: where to go on in the spool.
  Key passed() const { return passed_; }

  // The time of the first; none if nothing is held.
  std::optional<spool::Milliseconds> first() const {
    if (held_.empty()) return std::nullopt;
    return held_.begin()->first.time;
  }
  // True: it is held now. False: it lies beyond what is held, in the spool.
  bool add(Key key, Value value) {
    if (is_partial_ && key > passed_ && (held_.empty() || key > held_.rbegin()->first))
      return false;
    held_.emplace(key, std::move(value));
    return true;
  }
  // What the spool has next; it is held whatever is there already.
  void refill(Key key, Value value) { held_.emplace(key, std::move(value)); }
  // The last one, for as long as there are more than `max` and `may` agrees: it is the spool's now.
  template <typename May>
  std::optional<Value> shed(std::size_t max, May&& may) {
    if (held_.size() <= max || !may(held_.rbegin()->second)) return std::nullopt;
    const auto last = std::prev(held_.end());
    if (last->first <= passed_) return std::nullopt;  // the spool would not be asked for it again
    std::optional<Value> value(std::move(last->second));
    held_.erase(last);
    is_partial_ = true;
    return value;
  }
  // The first one if its time has come.
  std::optional<std::pair<Key, Value>> pop(spool::Milliseconds now) {
    if (held_.empty() || held_.begin()->first.time > now) return std::nullopt;
    const auto first = held_.begin();
    std::pair<Key, Value> popped(first->first, std::move(first->second));
    held_.erase(first);
    if (popped.first > passed_) passed_ = popped.first;
    return popped;
  }
  bool erase(Key key) { return held_.erase(key) > 0; }
  std::map<Key, Value>& held() { return held_; }
  const std::map<Key, Value>& held() const { return held_; }
  void clear() {
    held_.clear();
    is_partial_ = false;
  }

 private:
  std::map<Key, Value> held_;
  Key passed_{};
  bool is_partial_ = false;
};

}  // namespace pannier::queue
