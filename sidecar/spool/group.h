// Group: what shall be journaled together, all of it or none: a publish to many queues, a
// tx.commit, a dead-letter move, the declare of a queue with its bindings.
//
// Built by a caller and handed to Spool::append, which fills in entries(). May be cleared and used
// again, which keeps its memory. Loop thread.
#pragma once

#include <span>
#include <vector>

#include "common/buffer.h"
#include "sidecar/spool/entry.h"

namespace pannier::spool {

// A message as the spool takes it. The head is whatever the caller wants back with the body.
struct Content {
  Milliseconds published = 0;
  Slice head;
  Slice body;          // empty when the body was journaled in parts
  BodyId body_id = 0;  // from Spool::begin_body, or of a message that is alive
  std::uint32_t parts = 0;
  std::uint64_t body_size = 0;  // of the whole body, also in parts
  Bytes attributes;             // see AttributeTag
  Codec codec = Codec::none;    // how to compress it, if that makes it smaller
};

struct Purge {
  QueueId queue = 0;
  std::vector<Entry> kept;  // in the hands of consumers: they stay
};

class Group {
 public:
  // At least one target; the spool gives each its sequence.
  void publish(Content content, std::span<const Target> targets) {
    publishes_.push_back({std::move(content), {targets.begin(), targets.end()}});
  }
  void settle(const Entry& entry) { settles_.push_back(entry); }
  // The entry came back: this is how it stands from now on, with its acquired_count and reason.
  void change(const Entry& entry, std::uint16_t delivery_count, bool redelivered,
              Milliseconds due) {
    Entry changed = entry;
    changed.delivery_count = delivery_count;
    changed.redelivered = redelivered;
    changed.due = due;
    changes_.push_back(changed);
  }
  void put(StateKind kind, ByteView key, ByteView value) {
    states_.push_back({kind, false, {key.begin(), key.end()}, {value.begin(), value.end()}});
  }
  void erase(StateKind kind, ByteView key) {
    states_.push_back({kind, true, {key.begin(), key.end()}, {}});
  }
  void purge(QueueId queue, std::span<const Entry> kept) {
    purges_.push_back({queue, {kept.begin(), kept.end()}});
  }

  bool empty() const {
    return publishes_.empty() && settles_.empty() && changes_.empty() && states_.empty() &&
           purges_.empty();
  }
  void clear() {
    publishes_.clear(), settles_.clear(), changes_.clear(), states_.clear(), purges_.clear();
    entries_.clear();
  }

  // After append: one entry per target, in the order in which they were published.
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  friend class Spool;
  struct Publish {
    Content content;
    std::vector<Target> targets;
  };

  std::vector<Publish> publishes_;
  std::vector<Entry> settles_;
  std::vector<Entry> changes_;
  std::vector<StateItem> states_;
  std::vector<Purge> purges_;
  std::vector<Entry> entries_;
};

}  // namespace pannier::spool
