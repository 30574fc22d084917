// ReadyLane: the ready messages of one queue and one priority, as far as they are in memory.
//
// The window holds what comes next, in the order of sequences; behind it are messages that are in
// the spool only, if more_on_disk. What came back has a place of its own, before or within the
// window. Owned by Queue; loop thread; counts nothing and settles nothing.
#pragma once

#include <deque>
#include <map>

#include "sidecar/queue/message.h"

namespace pannier::queue {

// A message that is ready, or waits for its time.
struct Item {
  spool::Entry entry;
  MessagePtr message;  // null: in the spool only
  bool loading = false;
};

class ReadyLane {
 public:
  explicit ReadyLane(spool::Priority priority) : priority_(priority) {}

  spool::Priority priority() const { return priority_; }

  std::deque<Item> window;            // ascending; behind what came back
  std::map<Sequence, Item> returned;  // came back: may be before or within the window
  Sequence window_end = 0;            // nothing above is in the window
  bool more_on_disk = false;          // messages above window_end are in the spool only
  bool fetching = false;
  Sequence suspect = 0;  // may have been delivered before an unclean stop, up to here

  bool is_empty() const { return window.empty() && returned.empty(); }
  std::size_t held() const { return window.size() + returned.size(); }
  // The lowest sequence in memory; null if there is none.
  Item* head();
  Item take_head();
  Item* find(Sequence sequence);
  // The item is in memory here.
  Item take(Sequence sequence);
  // Nothing is in memory here, or in the spool, up to `sequence`.
  void clear(Sequence up_to);

 private:
  std::deque<Item>::iterator find_in_window(Sequence sequence);

  spool::Priority priority_;
};

}  // namespace pannier::queue
